// The key cache and the rate of verifications, once a second.

import { describe, find, make } from './dom.js';

const SECONDS = 60;
const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT] = [600, 150];

const issuer = find('issuer', HTMLElement);
const kids = find('kids', HTMLElement);
const freshness = find('freshness', HTMLMeterElement);
const age = find('age', HTMLElement);
const keyStats = find('key-stats', HTMLElement);
const chart = find('chart', SVGElement);
const peak = find('peak', HTMLElement);
const legend = find('legend', HTMLElement);

/**
 * @typedef {object} State
 * @property {boolean} down
 * @property {import('../../index.js').StackAuthStats['keys']} keys
 * @property {Record<string, number>} verifications how many went which way, since the start
 */

/** How many a second, by how they went; the newest last. @type {Array<Record<string, number>>} */
const rates = [];
/** @type {{ at: number, counts: Record<string, number> } | undefined} */
let last;

/** @param {State} state */
export function show({ down, keys, verifications: counts }) {
  issuer.textContent = down ? 'Issuer is down' : 'Issuer is up';
  issuer.classList.toggle('bad', down);
  issuer.classList.toggle('good', !down);
  showKeys(keys);

  const at = performance.now();
  if (last && at - last.at < 900) {
    return;
  }
  const { at: before, counts: known } = last ?? { at: at - 1_000, counts };
  const seconds = (at - before) / 1_000;
  rates.push(
    Object.fromEntries(
      Object.entries(counts).map(([name, count]) => [
        name,
        Math.max(0, count - (known[name] ?? 0)) / seconds,
      ]),
    ),
  );
  rates.splice(0, rates.length - SECONDS);
  last = { at, counts };
  showRates(counts);
}

/** @param {State['keys']} keys */
function showKeys({ url, kids: known, age: millis, ...others }) {
  kids.replaceChildren(
    ...(known.length > 0
      ? known.map((kid) => make('li', kid, 'kid'))
      : [make('li', 'none yet', 'nothing')]),
  );
  const seconds = Math.round((millis ?? 0) / 1_000);
  freshness.value = millis === undefined ? 0 : Math.max(0, 600 - seconds);
  age.textContent = millis === undefined ? '' : `– fetched ${seconds} s ago, fresh for 600 s`;
  describe(keyStats, others);
}

/** @param {Record<string, number>} counts */
function showRates(counts) {
  const names = Object.keys(counts);
  const highest = Math.max(
    10,
    ...rates.map((rate) => Object.values(rate).reduce((a, b) => a + b, 0)),
  );
  chart.replaceChildren(...rates.flatMap((rate, index) => column(rate, names, index, highest)));
  peak.textContent = `top: ${Math.round(highest)}/s`;
  const now = rates.at(-1) ?? {};
  const words = names.map((name) => `${name} ${Math.round(now[name] ?? 0)} per second`);
  chart.setAttribute('aria-label', words.join(', '));
  legend.replaceChildren(
    ...names.map((name, index) => {
      const item = make('li', '');
      const rate = `${Math.round(now[name] ?? 0)}/s`;
      item.append(make('span', '', `swatch series-${index}`), make('span', name));
      item.append(make('strong', rate), make('span', `${counts[name]} in all`, 'total'));
      return item;
    }),
  );
}

/**
 * One second, its parts on top of each other.
 *
 * @param {Record<string, number>} rate
 * @param {string[]} names
 * @param {number} index
 * @param {number} highest
 */
function column(rate, names, index, highest) {
  const width = WIDTH / SECONDS;
  let top = HEIGHT;
  return names.map((name, series) => {
    const height = ((rate[name] ?? 0) / highest) * HEIGHT;
    top -= height;
    const bar = document.createElementNS(SVG, 'rect');
    const place = {
      x: (SECONDS - rates.length + index) * width + 1,
      y: top,
      width: width - 2,
      height,
      class: `series-${series}`,
    };
    for (const [attribute, value] of Object.entries(place)) {
      bar.setAttribute(attribute, String(value));
    }
    return bar;
  });
}
