// The results as Markdown, for `docs/benchmarks.md`.

import { round } from './chart.js';

/** Where it stands in the page. */
const MARKS = ['<!-- npm run bench writes what follows -->', '<!-- until here -->'];

/**
 * @typedef {{ against?: string, ratio?: number, least?: number, most?: number, limit?: number, holds: boolean }} Need
 * @typedef {{ row: string, figures: Record<string, number>, needs: Need[] }} Row
 *
 * @param {{ date: string, machine: string, versions: Record<string, string>, bareSignatureCheck: number, rows: Row[] }} results
 */
export function table({ date, machine, versions, bareSignatureCheck, rows }) {
  const compared = rows.filter(({ figures }) => Object.keys(figures).length > 1);
  const single = rows.filter(({ figures }) => Object.keys(figures).length === 1);
  const short = rows.flatMap(({ row, figures, needs }) =>
    needs
      .filter(({ holds }) => !holds)
      .map(({ against, ratio, least, most, limit }) => {
        const found = against
          ? `${ratio?.toFixed(3)} × of ${against}, and should be ${least} ×`
          : `${figures.ours?.toFixed(3)}, and should be at most ${most}`;
        return `- ${row}: ${found}${limit ? `; the limit is ${round(limit)}` : ''}`;
      }),
  );
  return [
    `${date}, ${machine}. ${Object.entries(versions)
      .map((entry) => entry.join(' '))
      .join(', ')}. The bare check of a signature in Rust: ${round(bareSignatureCheck)} µs.`,
    '',
    ...aligned([
      ['what', 'stack-auth-native', 'others'],
      ...compared.map(({ row, figures: { ours, ...others } }) => {
        const list = Object.entries(others).map(([who, figure]) => `${who}: ${round(figure)}`);
        return [row, round(ours ?? Number.NaN), list.join('<br>')];
      }),
    ]),
    '',
    ...aligned([
      ['what', 'figure', 'at most'],
      ...single.map(({ row, figures, needs: [need] }) => [
        row,
        round(figures.ours ?? Number.NaN),
        `${need?.most ?? ''}`,
      ]),
    ]),
    '',
    short.length > 0 ? 'What fell short in this run:' : 'Nothing fell short in this run.',
    ...(short.length > 0 ? ['', ...short] : []),
  ].join('\n');
}

/**
 * A table as the formatter would have it.
 *
 * @param {string[][]} rows the headings first
 */
function aligned(rows) {
  const [headings = [], ...others] = rows;
  const widths = headings.map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  /** @param {string[]} cells @param {string} [fill] */
  const line = (cells, fill) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0, fill)).join(' | ')} |`;
  const rule = headings.map(() => '');
  return [line(headings), line(rule, '-'), ...others.map((row) => line(row))];
}

/**
 * The page, with the table of these results.
 *
 * @param {string} page
 * @param {Parameters<typeof table>[0]} results
 */
export function withTable(page, results) {
  const [before, after] = MARKS.map((mark) => page.split(mark));
  return `${before?.[0]}${MARKS[0]}\n\n${table(results)}\n\n${MARKS[1]}${after?.[1]}`;
}
