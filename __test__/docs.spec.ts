// The documentation leads somewhere: its links, its commands, and the files that it names.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

import { root } from './support/consumer.ts';
import { codeIn, type Page, readPages, source } from './support/pages.ts';

const pages = await readPages();
const pageNamed = (name: string) => pages.find((page) => page.name === name) as Page;
const named = pages.map((page) => [page.name, page] as const);

describe('a link', () => {
  /** As GitHub makes them of headings. */
  function anchorsOf({ text }: Page) {
    const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '');
    const headings = [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading);
    return headings.map((heading) =>
      heading
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\-_ ]/gu, '')
        .replaceAll(' ', '-'),
    );
  }

  test.each(named)('of %s leads somewhere', (_, page) => {
    const prose = page.text.replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, '`');
    const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    expect(links.length + Number(page.name === 'CHANGELOG.md')).toBeGreaterThan(0);
    for (const link of links) {
      if (/^\w+:/.test(link)) {
        expect(new URL(link).protocol).toBe('https:');
        continue;
      }
      const [file = '', anchor] = link.split('#');
      const target = path.posix.join(path.dirname(page.name), file);
      const name = file === '' ? page.name : target;
      expect(existsSync(path.join(root, name)), `${page.name}: ${link}`).toBe(true);
      if (anchor !== undefined) {
        expect(anchorsOf(pageNamed(name)), `${page.name}: ${link}`).toContain(anchor);
      }
    }
  });

  test('to each page is in the README', () => {
    const docs = pages.filter(({ name }) => name.startsWith('docs/'));
    for (const { name } of docs) {
      expect(pageNamed('README.md').text).toContain(`](${name}`);
    }
  });
});

describe('the README', () => {
  const { text } = pageNamed('README.md');

  test('is short', () => {
    expect(text.split('\n').length).toBeLessThan(200);
  });

  test('has the server of the examples', async () => {
    expect(text).toContain(await source('examples/express.mts'));
  });
});

describe('what is named', () => {
  const FOLDERS =
    '__test__|src|lib|docs|tests|benchmark|benches|examples|demo|fuzz|stress|release|.github';

  test.each(named)('in %s is there', async (_, { text }) => {
    const { scripts } = JSON.parse(await source('package.json'));
    const commands = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, script = '']) => script);
    expect(commands.filter((script) => !Object.hasOwn(scripts, script))).toEqual([]);
    const files = codeIn(text).filter((code) => new RegExp(`^(${FOLDERS})/[\\w./-]*$`).test(code));
    expect(files.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
  });

  test('is every export', async () => {
    const { text } = pageNamed('README.md');
    for (const entry of ['index', 'express', 'testing']) {
      const exports = (await source(`${entry}.js`)).match(/module\.exports = \{([^}]*)\}/)?.[1];
      for (const name of exports?.match(/\w+/g) ?? ['nothing']) {
        expect(text).toContain(name);
      }
    }
  });
});
