// The tables of the documentation say what the contract, the sources and the last benchmark say.

import { describe, expect, test } from 'vitest';

import { chart, round } from '../benchmark/chart.js';
import { withTable } from '../benchmark/table.js';
import { codeIn, membersOf, type Page, readPages, source, tableOf } from './support/pages.ts';

const pages = await readPages();
const pageNamed = (name: string) => pages.find((page) => page.name === name) as Page;
const contract = await source('index.d.ts');

describe('the table of options', () => {
  const rows = tableOf(pageNamed('README.md'), 'option');
  const defaults = new Map(
    [...contract.matchAll(/@defaultValue (.+)\n\s+\*\/\n {2}(\w+)\?:/g)].map(
      ([, value = '', option = '']) => [option, value],
    ),
  );
  const plain = (text: string) => text.replaceAll(/[`_]/g, '');

  test('names each, and no others', () => {
    const options = ['VerifyJwtOptions', 'GetUserOptions'].flatMap((name) =>
      membersOf(contract, name),
    );
    expect(options.length).toBeGreaterThan(15);
    expect(rows.map(([option = '']) => option).sort()).toEqual(
      options.map((option) => `\`${option}\``).sort(),
    );
  });

  test('has their defaults', () => {
    for (const [option = '', value = ''] of rows) {
      const expected = defaults.get(plain(option));
      if (value === '–' || value === 'environment') {
        expect([option, expected]).toEqual([option, undefined]);
      } else {
        const [first] = (expected ?? 'none').split(',');
        expect([option, plain(value).replace('environment, else ', '')]).toEqual([
          option,
          plain(first ?? '')
            .replaceAll('"https', 'https')
            .replaceAll('com"', 'com'),
        ]);
      }
    }
  });

  test('has those of the sources', async () => {
    const config = await source('src/config.rs');
    const durations = [...config.matchAll(/duration\("(\w+)", [\w.]+, ([\d_]+)\.0\)/g)];
    const table = new Map(rows.map(([option = '', value = '']) => [plain(option), plain(value)]));
    expect(durations.map(([, option]) => option).sort()).toEqual(
      ['cacheMaxAge', 'maxAge', 'staleIfError'].concat('timeout'),
    );
    for (const [, option = '', value = ''] of durations) {
      expect([option, table.get(option)]).toEqual([option, plain(value)]);
    }
    expect(config).toContain('const DEFAULT: f64 = 16.0 * 1_024.0 * 1_024.0;');
    expect(table.get('tokenCacheBytes')).toBe(String(16 * 1_024 * 1_024));
  });
});

test('each option reaches the native side, which passes over names that it does not know', async () => {
  const native = membersOf(await source('binding.d.ts'), 'ClientOptions');
  const options = ['VerifyJwtOptions', 'GetUserOptions'].flatMap((name) =>
    membersOf(contract, name),
  );
  expect([...native, 'currentDate', 'keys', 'signal'].sort()).toEqual(options.sort());
});

test('each claim that can be wrong is one that an error can name', async () => {
  const claims = (await source('src/claims.rs')).matchAll(
    /(?:present|time|agree|unexpected)\("(\w+)"/g,
  );
  const [, named = ''] = contract.match(/readonly claim\?: (.+);/) ?? [];
  expect(
    named
      .split(' | ')
      .map((name) => name.slice(1, -1))
      .sort(),
  ).toEqual([...new Set([...claims].map(([, name]) => name))].sort());
});

describe('a table of errors', () => {
  const PARTIES = { Caller: 'the caller', Operator: 'you', Service: 'the service' };

  /** By code: who is at fault, and the status; as the sources have them. */
  async function faults() {
    const rust = await source('src/error.rs');
    const codes = new Map(
      [...rust.matchAll(/Self::(\w+) => "(ERR_\w+)"/g)].map(([, name, code]) => [name, code]),
    );
    const statuses = { Caller: '401', Operator: '500', Service: '503' };
    const special = new Map(
      [...rust.matchAll(/\(Self::(\w+), _\) => (\d+)/g)].map(([, name, status]) => [name, status]),
    );
    for (const [party, status] of Object.entries(statuses)) {
      expect(rust).toContain(`(_, Party::${party}) => ${status}`);
    }
    const arms = [...rust.matchAll(/((?:Self::\w+[\s|]*)+)=> Party::(\w+)/g)];
    const found = arms.flatMap(([, names = '', party = '']) =>
      [...names.matchAll(/Self::(\w+)/g)].map(([, name]): [string, string] => {
        const status = special.get(name) ?? statuses[party as keyof typeof statuses];
        return [
          codes.get(name) ?? `${name}`,
          `${PARTIES[party as keyof typeof PARTIES]} ${status}`,
        ];
      }),
    );
    expect(found).toHaveLength(codes.size);

    const scripts = await Promise.all(
      ['binding.js', 'lib/access-token.js', 'lib/authenticate.js', 'lib/errors.js'].map(source),
    );
    for (const script of scripts) {
      for (const [, code = '', status = ''] of script.matchAll(
        /callerError\(\s*'(ERR_\w+)',\s*(\d+)/g,
      )) {
        found.push([code, `the caller ${status}`]);
      }
      for (const [, code = ''] of script.matchAll(/operatorError\(\s*'(ERR_\w+)'/g)) {
        found.push([code, 'you 500']);
      }
    }
    return Object.fromEntries(found.sort());
  }

  test('has the sources’ codes, which are the contract’s', async () => {
    const codes = [...contract.matchAll(/[|=] '(ERR_\w+)'/g)].map(([, code]) => code as string);
    expect(Object.keys(await faults()).sort()).toEqual(codes.sort());
  });

  test('is right in the README', async () => {
    const rows = tableOf(pageNamed('README.md'), 'at fault').flatMap(
      ([party, status, retryable, codes = '']) =>
        codeIn(codes).map((code) => ({ code, fault: `${party} ${status}`, retryable })),
    );
    expect(Object.fromEntries(rows.map(({ code, fault }) => [code, fault]))).toEqual(
      await faults(),
    );
    for (const { fault, retryable } of rows) {
      expect([fault, retryable]).toEqual([fault, fault.endsWith('503') ? 'yes' : 'no']);
    }
  });

  test('is right on the page about them', async () => {
    const rows = tableOf(pageNamed('docs/errors.md'), 'code');
    expect(
      Object.fromEntries(
        rows.map(([code = '', party, status]) => [codeIn(code)[0], `${party} ${status}`]),
      ),
    ).toEqual(await faults());
    for (const row of rows) {
      expect(row.filter((cell) => cell === '')).toEqual([]);
    }
  });

  test('has the members of an error', () => {
    const members = tableOf(pageNamed('docs/errors.md'), 'member').map(
      ([member = '']) => codeIn(member)[0],
    );
    const explained = ['name', 'status', 'headers', 'retryable'];
    expect([...members, ...explained].sort()).toEqual(membersOf(contract, 'StackAuthError').sort());
  });
});

test('the table of the test kit names every member', async () => {
  const cells = tableOf(pageNamed('docs/testing.md'), 'member').map(([member = '']) => member);
  const named = codeIn(cells.join(' ')).map((code) => code.replace(/\(.*/, ''));
  const members = membersOf(await source('testing.d.ts'), 'StackAuthStandIn');
  expect(members.length).toBeGreaterThan(9);
  expect(named.sort()).toEqual(members.sort());
});

test('the tables of Express name every export and every member', async () => {
  const express = await source('express.d.ts');
  const page = pageNamed('docs/express.md');
  const named = (heading: string) =>
    tableOf(page, heading).flatMap(([cell = '']) =>
      codeIn(cell).map((code) => code.replace(/\(.*/, '')),
    );
  const functions = [...express.matchAll(/^export function (\w+)/gm)].map(([, name]) => name);
  expect(named('export').sort()).toEqual(functions.sort());
  expect(named('member').sort()).toEqual(membersOf(express, 'Auth').sort());
});

test('the fields of the SDK’s user are those of the contract', () => {
  const fields = [
    ...membersOf(contract, 'CurrentUser').map((field) => `user.${field}`),
    ...membersOf(contract, 'AccessTokenClaims').map((claim) => `payload.${claim}`),
  ];
  const rows = tableOf(pageNamed('docs/migrating-from-the-sdk.md'), 'SDK');
  expect(rows.length).toBeGreaterThan(15);
  expect(
    rows.flatMap(([, here = '']) => codeIn(here)).filter((name) => !fields.includes(name)),
  ).toEqual([]);
});

test('the claims are those of the contract', () => {
  const rows = tableOf(pageNamed('docs/how-it-works.md'), 'claim');
  const named = rows.flatMap(([claim = '']) => codeIn(claim));
  // Stack Auth sets none.
  expect([...named, 'nbf'].sort()).toEqual(membersOf(contract, 'AccessTokenClaims').sort());
});

test('the fields of stats() are those of the contract', () => {
  const rows = tableOf(pageNamed('docs/observability.md'), 'field');
  const named = codeIn(rows.map(([field]) => field).join(' ')).map((field) =>
    field.split('.').at(-1),
  );
  const stats = contract.slice(
    contract.indexOf('interface StackAuthStats'),
    contract.indexOf('interface KeysRefreshMessage'),
  );
  const fields = [...stats.matchAll(/^ +(\w+)\??: (?!\{$|CacheStats)/gm)].map(([, field]) => field);
  const explained = ['maxBytes', 'userCache'];
  expect(new Set([...named, ...explained])).toEqual(new Set([...fields, ...explained]));
});

describe('the figures', () => {
  test('of the page are those of the last run', async () => {
    const { name, text } = pageNamed('docs/benchmarks.md');
    const results = JSON.parse(await source('benchmark/results.json'));
    expect(withTable(text, results), `${name} is written by npm run bench`).toBe(text);
  });

  test('of the chart are those of the last run', async () => {
    const { rows, date, machine, versions } = JSON.parse(await source('benchmark/results.json'));
    const svg = await source('benchmark/chart.svg');
    const shown = [...svg.matchAll(/class="figure"[^>]*>([\d.]+) µs/g)].map(([, figure]) => figure);
    const known: string[] = rows.flatMap(({ figures }: { figures: Record<string, number> }) =>
      Object.values(figures).map(round),
    );
    expect(shown.length).toBeGreaterThan(20);
    expect(shown.filter((figure) => !known.includes(figure as string))).toEqual([]);
    // What the chart says of the run is what it would say of this one.
    const about = chart({ date, machine, versions }, []).match(/class="about"[^>]*>[^<]*/g) ?? [];
    const texts = about.map((line) => line.replace(/^[^>]*>/, ''));
    expect(texts.length).toBeGreaterThan(0);
    for (const line of texts) {
      expect(svg).toContain(line);
    }
  });
});
