// The table as a picture, for the README.

const WIDTH = 860;
const LABEL = 290;
const BAR = 16;
const GAP = 34;

/**
 * Bars of µs per token, one panel for each row. No script and no outside font, and readable on light
 * and dark ground.
 *
 * @param {{ machine: string, date: string, versions: Record<string, string> }} about
 * @param {Array<{ title: string, figures: Record<string, number> }>} panels
 */
export function chart(about, panels) {
  const lines = [];
  let y = 30;
  for (const { title, figures } of panels) {
    lines.push(text(16, y, title, 'title'));
    y += 12;
    const most = Math.max(...Object.values(figures));
    const sorted = Object.entries(figures).sort(([, one], [, other]) => one - other);
    for (const [who, figure] of sorted) {
      const length = Math.max((figure / most) * (WIDTH - LABEL - 110), 1.5);
      const kind = who.startsWith('stack-auth-native') ? 'ours' : 'peer';
      lines.push(text(LABEL - 10, y + BAR - 4, who, 'who'));
      lines.push(
        `<rect class="${kind}" x="${LABEL}" y="${y}" width="${length.toFixed(1)}" height="${BAR - 3}" rx="2"/>`,
      );
      lines.push(text(LABEL + length + 8, y + BAR - 4, `${round(figure)} µs`, 'figure'));
      y += BAR;
    }
    y += GAP;
  }
  const peers = Object.entries(about.versions).map((entry) => entry.join(' '));
  for (const line of [`${about.machine}, ${about.date}`, peers.join(', ')]) {
    lines.push(text(16, y - 8, line, 'about'));
    y += 16;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" role="img" aria-label="Time per token, by package">
<style>
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 14px } .who { text-anchor: end } .about { font-size: 11px; fill: #6e7781 }
.ours { fill: #1a7f5a } .peer { fill: #afb8c1 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .about { fill: #8d96a0 } .ours { fill: #3fb98b } .peer { fill: #57606a } }
</style>
${lines.join('\n')}
</svg>
`;
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} content
 * @param {string} kind
 */
function text(x, y, content, kind) {
  return `<text class="${kind}" x="${x.toFixed(0)}" y="${y}">${escaped(content)}</text>`;
}

/** @param {string} content */
function escaped(content) {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

/** @param {number} figure */
export function round(figure) {
  return figure >= 100 ? figure.toFixed(0) : figure >= 10 ? figure.toFixed(1) : figure.toFixed(2);
}
