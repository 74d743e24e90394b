// `npm run release:check` has to refuse what it is for. The binaries that it lets through are not built here.

import { appendFile, copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { root, run } from './support/consumer.js';

const platform = `${process.platform}-${process.arch}`;
let folder: string;
let binary: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'check-'));
  binary = (await readdir(root)).find((file) => file.endsWith('.node')) as string;
});
afterAll(() => rm(folder, { recursive: true }));

async function verdictOn(original: string, name: string, more?: string) {
  const file = path.join(folder, name);
  await copyFile(original, file);
  if (more !== undefined) {
    await appendFile(file, more);
  }
  const check = path.join(root, 'release/check.mjs');
  return run(process.execPath, [check, file]).then(
    ({ stdout }) => stdout,
    ({ stdout }) => `refused\n${stdout}`,
  );
}

describe.runIf(platform === 'linux-x64')('npm run release:check', () => {
  test('refuses what is no addon', async () => {
    const verdict = await verdictOn('/bin/sh', 'stack-auth-native.linux-x64-gnu.node');
    expect(verdict).toContain('refused');
    expect(verdict).toContain('no addon of Node-API');
  });

  test('refuses a binary for another processor, and for another libc', async () => {
    const verdict = await verdictOn(binary, 'stack-auth-native.linux-arm64-musl.node');
    expect(verdict).toContain('for Advanced Micro Devices X86-64');
    expect(verdict).toContain('needs libc.so.6');
    expect(verdict).toMatch(/needs glibc 2\.\d+/);
  });

  test('refuses a binary that needs what not every Windows has', async () => {
    const name = 'stack-auth-native.win32-x64-msvc.node';
    expect(await verdictOn(binary, name, 'VCRUNTIME140.dll')).toContain(
      'C runtime of Visual Studio',
    );
    expect(await verdictOn(binary, name)).not.toContain('C runtime of Visual Studio');
  });

  test('refuses what is too large, and a path of the machine that built it', async () => {
    const more = `/home/me/x.rs${'x'.repeat(7 * 2 ** 20)}`;
    const verdict = await verdictOn(binary, 'stack-auth-native.linux-x64-gnu.node', more);
    expect(verdict).toContain('holds a path: /home/');
    expect(verdict).toContain('larger than 6291456 bytes');
  });
});
