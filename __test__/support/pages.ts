// The documentation, as the specs of it read it.

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

import { root } from './consumer.ts';

export interface Page {
  /** From the root: `"docs/errors.md"`. */
  name: string;
  text: string;
}

/** A whole program, out of a code block. */
export interface Program {
  page: string;
  code: string;
  extension: 'ts' | 'js';
}

/** What is run. Shells, Dockerfiles and what else is the reader's own say so: `no-run`. */
const LANGUAGES = ['ts', 'js', 'diff'];

export const source = (name: string) => readFile(path.join(root, name), 'utf8');

async function read(name: string): Promise<Page> {
  return { name, text: await source(name) };
}

/** Every page that users and contributors read. */
export async function readPages() {
  const docs = (await readdir(path.join(root, 'docs'))).filter((name) => name.endsWith('.md'));
  const top = ['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'DESIGN.md', 'CHANGELOG.md'];
  const others = ['release/README.md', '__test__/vectors/README.md'];
  return Promise.all([...top, ...others, ...docs.sort().map((name) => `docs/${name}`)].map(read));
}

/** The blocks of a page: the words after the fence, and the code. */
export function blocksOf({ text }: Page) {
  return [...text.matchAll(/^```(\S.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', code = '']) => ({
    words: info.split(' '),
    code,
  }));
}

/** What of a page is to be run; of a diff, the old side and the new one. */
export function programsOf(page: Page): Program[] {
  return blocksOf(page).flatMap(({ words: [language, ...words], code }): Program[] => {
    if (words.includes('no-run') || !LANGUAGES.includes(language ?? '')) {
      return [];
    }
    if (language !== 'diff') {
      return [{ page: page.name, code, extension: language === 'js' ? 'js' : 'ts' }];
    }
    const side = (other: string): Program => ({
      page: page.name,
      code: code.replaceAll(new RegExp(`^[${other}].*\n`, 'gm'), '').replaceAll(/^./gm, ''),
      extension: 'ts',
    });
    return words.includes('after') ? [side('-')] : [side('+'), side('-')];
  });
}

/** The cells of the table whose first heading is this one, row by row, without the headings. */
export function tableOf({ name, text }: Page, heading: string) {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => cellsOf(line)[0] === heading);
  if (start < 0) {
    throw new Error(`${name} has no table that begins with ${heading}`);
  }
  const rows = lines.slice(start + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end).map(cellsOf);
}

function cellsOf(line: string) {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** What stands between backticks. */
export function codeIn(text: string) {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code as string);
}

/** The members of an interface or class of a contract, in their order. */
export function membersOf(contract: string, name: string) {
  const start = contract.search(new RegExp(`^export (interface|class) ${name}\\b`, 'm'));
  const body = contract.slice(start, contract.indexOf('\n}\n', start));
  const pattern = /^ {2}(?:readonly |get )?(\w+)\??(?:\(.*\))?: /gm;
  return [...body.matchAll(pattern)].map(([, member]) => member as string);
}
