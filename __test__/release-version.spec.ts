// A release's version, in a repository of its own.

import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { root, run } from './support/consumer.js';

const CHANGELOG = 'CHANGELOG.md';
const PLACES = ['package.json', 'package-lock.json', 'Cargo.toml', 'Cargo.lock', 'fuzz/Cargo.lock'];
const FILES = [...PLACES, CHANGELOG];
const NEXT = '97.98.99';
let repository: string;

beforeEach(async () => {
  repository = await mkdtemp(path.join(tmpdir(), 'repository-'));
  await mkdir(path.join(repository, 'release'));
  await mkdir(path.join(repository, 'fuzz'));
  for (const file of [...FILES, 'release/version.mjs']) {
    await copyFile(path.join(root, file), path.join(repository, file));
  }
  await git('init', '--quiet');
  await git('config', 'user.name', 'Ada');
  await git('config', 'user.email', 'ada@example.com');
  await git('add', '.');
  await git('commit', '--quiet', '--message', 'Before');
});
afterEach(() => rm(repository, { recursive: true }));

async function git(...args: string[]): Promise<string> {
  return (await run('git', args, { cwd: repository })).stdout;
}
async function bump() {
  await run('npm', ['version', NEXT], { cwd: repository });
}
/** What the release workflow asks, and gets. */
async function notes(tag: string): Promise<string> {
  const command = ['release/version.mjs', tag];
  const { stdout, stderr } = await run(process.execPath, command, { cwd: repository }).catch(
    (failure) => failure,
  );
  return stdout + stderr;
}
async function edit(file: string, change: (text: string) => string) {
  const name = path.join(repository, file);
  await writeFile(name, change(await readFile(name, 'utf8')));
}

test('npm version brings all files into step, in one commit with a tag', async () => {
  await edit(CHANGELOG, (text) =>
    text.replace('## [Unreleased]\n', '## [Unreleased]\n\n### Added\n\n- What was added.\n'),
  );
  await git('commit', '--quiet', '--all', '--message', 'A change');
  await bump();
  const changed = await git('diff', '--name-only', 'HEAD~', `v${NEXT}`);
  expect(changed.trim().split('\n').sort()).toEqual([...FILES].sort());
  expect(await git('status', '--porcelain')).toBe('');
  expect(await notes(`v${NEXT}`)).toMatch(/^### Added\n\n- What was added\./);
  const changelog = await readFile(path.join(repository, CHANGELOG), 'utf8');
  const today = new Date().toISOString().slice(0, 10);
  expect(changelog).toContain(`## [Unreleased]\n\n## [${NEXT}] - ${today}\n\n### Added`);
});

test.each(PLACES)('a tag that %s does not agree with is refused', async (file) => {
  await bump();
  await edit(file, (text) => text.replace(NEXT, '97.98.100'));
  const refusal = `${file} is of version 97.98.100, and the tag is v${NEXT}`;
  expect(await notes(`v${NEXT}`)).toContain(refusal);
});

test('a tag that the changelog does not know is refused', async () => {
  await bump();
  await edit(CHANGELOG, (text) => text.replace(NEXT, '97.98.100'));
  expect(await notes(`v${NEXT}`)).toContain('CHANGELOG.md has no such version');
});
