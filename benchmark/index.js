// `npm run bench`: against every peer, in turn, in one run. Prints the table, and writes it as
// `results.json`, `chart.svg` and into `docs/benchmarks.md`. With `--check`, exits 1 where a row falls short.

import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';

import { channels } from './channels.js';
import { chart, round } from './chart.js';
import { expressServers } from './express.js';
import { footprint } from './footprint.js';
import { growth } from './growth.js';
import { startIssuer } from './issuer.js';
import { withTable } from './table.js';
import { currentUser } from './users.js';
import { BARE, verification } from './verify.js';

const require = createRequire(import.meta.url);
const began = Date.now();
const issuer = await startIssuer();
const { alone, together, busy, seen, mixed } = await verification(issuer);
const { [BARE]: bare } = alone;
const { ask, listened, unheard } = await channels(issuer);
const { express, expressBusy } = await expressServers(issuer);
const user = await currentUser(issuer);
const { load, resident } = await footprint(issuer);
const { projects, tokens, memory, threads } = await growth();
issuer.stop();

/**
 * What must hold: `ours` against a peer's figure (theirs ÷ ours), or a figure of its own. Where something is known
 * that nobody can do without, the limit is what the row would be if we did nothing else.
 */
const rows = [
  times('new token, one at a time, µs', alone, { jose: 2.2, 'fast-jwt': 1.3 }, bare),
  times('new tokens, 64 in flight, µs', together, { jose: 1.5, 'fast-jwt': 2.3 }, together[BARE]),
  times('token seen before, µs', seen, { 'fast-jwt, cached': 2, jose: 80 }),
  times('1,000 users, 50 requests each, µs', mixed, { jose: 40, 'fast-jwt, cached': 1.5 }),
  times('event loop busy, 64 in flight, µs', busy, { jose: 6 }),
  times(
    'Express, µs a request',
    express,
    { 'without authentication': 0.93, jose: 1.5 },
    express['a Map, which checks nothing'],
  ),
  times('Express, new tokens, event loop busy, µs a request', expressBusy, { jose: 1 }),
  times('getUser, 32 in flight, µs', user, { 'fetch of Node': 1.2, 'fetch of undici': 1.2 }),
  times('resident memory above bare Node, MiB', resident, { jose: 1 }),
  times('require(), ms', load, {}),
  atMost('require(), ms', load.ours, 15),
  atMost('a new token over the bare check in Rust', alone.ours / bare, 1.12),
  atMost('function over method, seen before', seen['ours, as a function'] / seen.ours, 1.1),
  atMost('function over method, new', alone['ours, as a function'] / alone.ours, 1.1),
  times('token seen before, and a channel, µs', { ours: unheard, 'with a listener': listened }, {}),
  atMost('asking a channel who listens, over a token seen before', ask / unheard, 0.02),
  atMost('1,000 projects over one, new', projects.fresh[1_000] / projects.fresh[1], 1.3),
  times(
    'token seen before, among 100,000, µs',
    { ours: tokens.seen[100_000], 'a Map, which checks nothing': tokens.map[100_000] },
    {},
  ),
  grown(1_000, 'projects', projects),
  ...[1_000, 10_000, 100_000].map((count) => grown(count, 'tokens', tokens)),
  atMost('memory of 100,000 tokens over its bound', memory, 1.5),
  atMost(
    '2 to 8 threads over one, new',
    Math.max(threads[2], threads[4], threads[8]) / threads[1],
    1,
    threads.bare,
  ),
];

/**
 * @param {string} row
 * @param {Record<string, number>} figures
 * @param {Record<string, number>} ratios
 * @param {number} [least] that `ours` could be
 */
function times(row, figures, ratios, least) {
  const needs = Object.entries(ratios).map(([against, wanted]) => {
    const ratio = figures[against] / figures.ours;
    const limit = least && figures[against] / least;
    return { against, ratio, least: wanted, limit, holds: ratio >= wanted };
  });
  return { row, figures, needs };
}

/** @param {string} row @param {number} figure @param {number} most @param {number} [limit] */
function atMost(row, figure, most, limit) {
  return { row, figures: { ours: figure }, needs: [{ most, limit, holds: figure <= most }] };
}

/**
 * @param {number} count
 * @param {string} what
 * @param {{ seen: Record<number, number>, map: Record<number, number> }} took the second, by a mere `Map`
 */
function grown(count, what, { seen, map }) {
  const row = `${count.toLocaleString('en')} ${what} over one, seen before`;
  return atMost(row, seen[count] / seen[1], 1.3, 1 + (map[count] - map[1]) / seen[1]);
}

const about = {
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus().length} × ${cpus()[0].model.trim()}, Node.js ${process.version}`,
  versions: Object.fromEntries(
    ['jose', 'fast-jwt', 'aws-jwt-verify', '@node-rs/jsonwebtoken', 'express', 'undici'].map(
      (peer) => [peer, versionOf(peer)],
    ),
  ),
};

/** @param {string} peer */
function versionOf(peer) {
  const folder = require.resolve.paths(peer)?.[0];
  return require(`${folder}/${peer}/package.json`).version;
}

for (const { row, figures, needs } of rows) {
  console.log(`\n${row}`);
  for (const [who, figure] of Object.entries(figures)) {
    const ratio = who === 'ours' ? '' : `${round(figure / figures.ours)} ×`;
    console.log(`  ${who.padEnd(32)}${round(figure).padStart(8)}${ratio.padStart(12)}`);
  }
  for (const { against, ratio, least, most, limit, holds } of needs) {
    const what = against
      ? `${ratio.toFixed(3)} × of ${against}, at least ${least}`
      : `at most ${most}`;
    const bound = limit ? `; the limit is ${round(limit)}` : '';
    console.log(`  ${holds ? '✓' : '✗ SHORT:'} ${what}${bound}`);
  }
}
console.log(`\nThe bare check: ${round(bare)} µs. ${about.machine}, ${about.date}.`);
console.log(
  Object.entries(about.versions)
    .map((entry) => entry.join(' '))
    .join(', '),
);
console.log(`${((Date.now() - began) / 1_000).toFixed(0)} s`);

const growths = { projects, tokens, memory, threads };
const results = { ...about, bareSignatureCheck: bare, rows, growth: growths };
await writeFile(new URL('results.json', import.meta.url), `${JSON.stringify(results, null, 2)}\n`);
const page = new URL('../docs/benchmarks.md', import.meta.url);
await writeFile(page, withTable(await readFile(page, 'utf8'), results));
const named = (figures) =>
  Object.fromEntries(
    Object.entries(figures)
      .filter(([who]) => who !== 'ours, as a function' && who !== BARE)
      .map(([who, figure]) => [who === 'ours' ? 'stack-auth-native' : who, figure]),
  );
const panels = [
  { title: 'A token seen before', figures: named(seen) },
  { title: 'A new token, one at a time', figures: named(alone) },
  { title: 'New tokens, 64 in flight', figures: named(together) },
  { title: 'The event loop is busy, for each of 64 in flight', figures: named(busy) },
];
await writeFile(new URL('chart.svg', import.meta.url), chart(about, panels));

const short = rows.filter(({ needs }) => needs.some(({ holds }) => !holds));
if (process.argv.includes('--check') && short.length > 0) {
  console.log(`\n${short.length} rows fall short: ${short.map(({ row }) => row).join('; ')}`);
  process.exitCode = 1;
}
