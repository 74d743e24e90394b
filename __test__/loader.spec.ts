// What `binding.js` makes of a platform, of what is installed there, and of STACK_AUTH_NATIVE_BINARY, seen
// from processes that have the packages as they are published.

import { readFileSync } from 'node:fs';
import { cp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

import { parseTriple } from '@napi-rs/cli';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { isMusl } from '../lib/libc.js';
import { newConsumer, root, run } from './support/consumer.js';

const { napi, version } = createRequire(import.meta.url)('../package.json');
const names: string[] = napi.targets.map((target: string) => {
  return `${napi.packageName}-${parseTriple(target).platformArchABI}`;
});

let consumer: Awaited<ReturnType<typeof newConsumer>>;
let modules: string;
/** What each test has in its `modules` at first. */
let installed: string;
/** The package of this platform, and its binary. */
let name: string;
let binary: string;

beforeAll(async () => {
  consumer = await newConsumer();
  modules = path.join(consumer.project, 'node_modules');
  const [folder] = await readdir(path.join(modules, '@stack-auth-native'));
  name = `@stack-auth-native/${folder}`;
  const file = (await readdir(path.join(modules, name))).find((file) => file.endsWith('.node'));
  binary = path.join(modules, name, file as string);
  installed = path.join(consumer.project, 'installed');
  for (const part of ['stack-auth-native', '@stack-auth-native']) {
    await cp(path.join(modules, part), path.join(installed, part), { recursive: true });
  }
}, 60_000);
beforeEach(async () => {
  await rm(modules, { recursive: true, force: true });
  await cp(installed, modules, { recursive: true });
});
afterAll(() => consumer.remove());

const LOAD = `
try {
  require('stack-auth-native').verifyJwt('nonsense', { projectId: 'p' }).catch(({ code }) => print(code));
} catch (error) {
  const { name, message, code, status, retryable, cause } = error;
  print({ name, message, code, status, retryable, cause: cause && { ...cause, message: cause.message } });
}
function print(value) {
  console.log(JSON.stringify(value));
}`;
/** What a verification that reached the native side says. */
const LOADED = 'ERR_JWS_INVALID';

/** What loading the package comes to, after `before`. */
async function load({
  before = '',
  env = {},
}: {
  before?: string;
  env?: Record<string, string>;
} = {}) {
  const { STACK_AUTH_NATIVE_BINARY, ...others } = process.env;
  const { stdout } = await run(process.execPath, ['-e', before + LOAD], {
    cwd: consumer.project,
    env: { ...others, ...env },
  });
  return JSON.parse(stdout);
}

/** As if this were another machine. */
function on(platform: string, arch: string, execPath = process.execPath) {
  return `Object.defineProperties(process, {
    platform: { value: ${JSON.stringify(platform)} },
    arch: { value: ${JSON.stringify(arch)} },
    execPath: { value: ${JSON.stringify(execPath)} },
  });`;
}

/** An executable for Linux, as far as the name of its loader goes, which lies at its end. */
function executable(loader: string, segments = 9) {
  const table = 64;
  const at = table + segments * 56 + 4_000;
  const elf = Buffer.alloc(at);
  elf.write('\x7fELF\x02\x01', 'latin1');
  elf.writeBigUInt64LE(BigInt(table), 0x20);
  elf.writeUInt16LE(segments, 0x38);
  const last = table + (segments - 1) * 56;
  elf.writeUInt32LE(3, last);
  elf.writeBigUInt64LE(BigInt(at), last + 8);
  elf.writeBigUInt64LE(BigInt(loader.length + 1), last + 32);
  return Buffer.concat([elf, Buffer.from(`${loader}\0`)]);
}

async function executableFile(loader: string) {
  const file = path.join(consumer.project, 'executable');
  await writeFile(file, executable(loader));
  return file;
}

describe('the package of this platform', () => {
  test('is loaded, without a report or another process', async () => {
    const before = `
      process.report.getReport = () => { throw new Error('reported'); };
      for (const method of ['exec', 'execFile', 'execFileSync', 'execSync', 'fork', 'spawn', 'spawnSync']) {
        require('node:child_process')[method] = () => { throw new Error('spawned'); };
      }`;
    expect(await load({ before })).toBe(LOADED);
  });

  test('is missed in words that help', async () => {
    await rm(path.join(modules, name), { recursive: true });
    const error = await load();
    expect(error).toMatchObject({
      name: 'StackAuthError',
      code: 'ERR_BINARY_MISSING',
      status: 500,
      retryable: false,
      cause: { code: 'MODULE_NOT_FOUND' },
    });
    expect(error.message).toContain(`needs the package ${name} here`);
    expect(error.message).toContain('--omit=optional');
    expect(error.message).toContain('https://github.com/npm/cli/issues/4828');
    expect(error.message).toContain(`npm install --save-optional ${name}@${version}`);
    expect(error.message).toContain('external');
  });

  test('is missed as well if only its binary is gone', async () => {
    await rm(binary);
    expect(await load()).toMatchObject({ code: 'ERR_BINARY_MISSING' });
  });

  test('is missed by an import too', async () => {
    await rm(path.join(modules, name), { recursive: true });
    const code = `import('stack-auth-native').catch((error) => console.log(error.code))`;
    const { stdout } = await run(process.execPath, ['-e', code], { cwd: consumer.project });
    expect(stdout).toBe('ERR_BINARY_MISSING\n');
  });

  test('may be refused by the system, whose words are kept', async () => {
    await writeFile(binary, 'no binary at all');
    const error = await load();
    expect(error).toMatchObject({
      code: 'ERR_BINARY_UNUSABLE',
      cause: { code: 'ERR_DLOPEN_FAILED' },
    });
    expect(error.cause.message).not.toBe('');
    expect(error.message).toBe(`${name} cannot be loaded: ${error.cause.message}`);
  });

  test('is refused if it is of another version', async () => {
    const file = path.join(modules, 'stack-auth-native/package.json');
    const manifest = await readFile(file, 'utf8');
    await writeFile(file, manifest.replace(`"version": "${version}"`, '"version": "99.0.0"'));
    const error = await load();
    expect(error).toMatchObject({ code: 'ERR_BINARY_VERSION', status: 500, retryable: false });
    expect(error.message).toContain(`${name} is of version ${version}`);
    expect(error.message).toContain('stack-auth-native of 99.0.0');
    expect(error.message).toContain('install again');

    await rename(binary, path.join(modules, 'stack-auth-native', path.basename(binary)));
    expect(await load()).toMatchObject({
      code: 'ERR_BINARY_VERSION',
      message: expect.stringContaining('npm run build'),
    });
  });

  test.each(['null', '{}'])('is refused if a bundler put %s there', async (other) => {
    const file = path.join(modules, name, 'package.json');
    const manifest = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...manifest, main: 'other.js' }));
    await writeFile(path.join(modules, name, 'other.js'), `module.exports = ${other};`);
    expect(await load()).toMatchObject({
      code: 'ERR_BINARY_VERSION',
      message: expect.stringContaining('make this package external'),
    });
  });

  test('gives way to a binary that was built beside the loader', async () => {
    await rename(binary, path.join(modules, 'stack-auth-native', path.basename(binary)));
    expect(await load()).toBe(LOADED);
    await writeFile(path.join(modules, 'stack-auth-native', path.basename(binary)), '');
    expect(await load()).toMatchObject({ code: 'ERR_BINARY_UNUSABLE' });
  });
});

describe('STACK_AUTH_NATIVE_BINARY', () => {
  test.each(['an absolute path', 'a relative path'])('names a binary by %s', async (kind) => {
    const file = path.join(consumer.project, 'elsewhere.bin');
    await rename(binary, file);
    const named = kind === 'a relative path' ? path.relative(consumer.project, file) : file;
    expect(await load({ env: { STACK_AUTH_NATIVE_BINARY: named } })).toBe(LOADED);
  });

  test('may name one for a platform that has none', async () => {
    const before = on('sunos', 'sparc');
    expect(await load({ before, env: { STACK_AUTH_NATIVE_BINARY: binary } })).toBe(LOADED);
  });

  test.each([
    ['that is not there', undefined],
    ['that is empty', ''],
    ['that is JavaScript', 'console.log("this ran")'],
  ])('fails by a file %s, whatever else is installed', async (_kind, content) => {
    const file = path.join(consumer.project, 'named.js');
    await rm(file, { force: true });
    if (content !== undefined) {
      await writeFile(file, content);
    }
    const error = await load({ env: { STACK_AUTH_NATIVE_BINARY: file } });
    expect(error).toMatchObject({ code: 'ERR_BINARY_UNUSABLE', status: 500 });
    expect(error.message).toContain(
      `${file}, which STACK_AUTH_NATIVE_BINARY names, cannot be loaded`,
    );
  });

  test('fails by an addon that is another', async () => {
    const others = path.join(root, 'node_modules');
    const file = (await readdir(others, { recursive: true })).find(
      (file) => file.endsWith('.node') && !file.includes('stack-auth'),
    );
    const env = { STACK_AUTH_NATIVE_BINARY: path.join(others, file as string) };
    expect(await load({ env })).toMatchObject({
      code: 'ERR_BINARY_VERSION',
      message: expect.stringContaining('make this package external'),
    });
  });

  test('counts for nothing while it is empty', async () => {
    expect(await load({ env: { STACK_AUTH_NATIVE_BINARY: '' } })).toBe(LOADED);
  });
});

describe('a platform', () => {
  test.each([
    ['linux', 'x64', '/lib64/ld-linux-x86-64.so.2', 'linux-x64-gnu'],
    ['linux', 'x64', '/lib/ld-musl-x86_64.so.1', 'linux-x64-musl'],
    ['linux', 'arm64', '/lib/ld-linux-aarch64.so.1', 'linux-arm64-gnu'],
    ['linux', 'arm64', '/lib/ld-musl-aarch64.so.1', 'linux-arm64-musl'],
    ['darwin', 'x64', '', 'darwin-x64'],
    ['darwin', 'arm64', '', 'darwin-arm64'],
    ['win32', 'x64', '', 'win32-x64-msvc'],
    ['win32', 'arm64', '', 'win32-arm64-msvc'],
  ])(
    '%s on %s, whose loader is %o, wants the package of %s',
    async (platform, arch, loader, of) => {
      await rm(path.join(modules, name), { recursive: true });
      const before = on(platform, arch, await executableFile(loader));
      const error = await load({ before });
      expect(error.code).toBe('ERR_BINARY_MISSING');
      expect(error.message).toContain(`the package @stack-auth-native/binding-${of} here`);
      expect(error.cause.message).toContain(`@stack-auth-native/binding-${of}`);
      expect(names).toContain(`@stack-auth-native/binding-${of}`);
    },
  );

  test.each([
    ['freebsd', 'x64', 'freebsd-x64'],
    ['linux', 'riscv64', 'linux-riscv64-gnu'],
    ['win32', 'ia32', 'win32-ia32-msvc'],
    ['android', 'arm64', 'android-arm64'],
  ])('%s on %s is told that there is nothing for it', async (platform, arch, of) => {
    const before = on(platform, arch, await executableFile('/lib/ld-linux.so.1'));
    const error = await load({ before });
    expect(error).toMatchObject({ name: 'StackAuthError', code: 'ERR_UNSUPPORTED_PLATFORM' });
    expect(error.message).toContain(`no binary for ${of},`);
    expect(error.message).toContain('STACK_AUTH_NATIVE_BINARY');
    expect(error).not.toHaveProperty('cause');
  });

  test('has its package in the loader by a literal, which tools that trace files can read', () => {
    const code = readFileSync(path.join(root, 'binding.js'), 'utf8');
    const literals = [...code.matchAll(/require\('(@stack-auth-native\/[^']+)'\)/g)];
    expect(literals.map(([, name]) => name).sort()).toEqual([...names].sort());
  });
});

describe('the libc', () => {
  const isOf = async (loader: string) => isMusl(await executableFile(loader));

  test('is that of the executable and not of the system', async () => {
    expect(await isOf('/lib/ld-musl-x86_64.so.1')).toBe(true);
    expect(await isOf('/nix/store/musl-1.2.5/lib/ld-musl-aarch64.so.1')).toBe(true);
    expect(await isOf('/lib64/ld-linux-x86-64.so.2')).toBe(false);
    expect(await isOf('/nix/store/glibc-2.40/lib/ld-linux-x86-64.so.2')).toBe(false);
    expect(await isOf('/opt/no-musl/lib/ld-linux-x86-64.so.2')).toBe(false);
  });

  test.runIf(process.platform === 'linux')('is known of this process', () => {
    const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
    expect(isMusl()).toBe(report.header?.glibcVersionRuntime === undefined);
  });

  test.each([
    ['is no executable', Buffer.from('#!/bin/sh\n')],
    ['is empty', Buffer.alloc(0)],
    ['lies', Buffer.alloc(64, 0xff)],
    ['has no loader', executable('', 0)],
  ])('is that of the system if the executable %s', async (_what, content) => {
    const file = path.join(consumer.project, 'executable');
    await writeFile(file, content);
    const denied = "(() => { throw new Error('Access to this API has been restricted') })()";
    for (const alpine of [true, false, denied]) {
      const fs = `require('node:fs').existsSync = (file) => {
        if (file === '/etc/alpine-release') return ${alpine};
        return false;
      };`;
      await rm(path.join(modules, name), { recursive: true, force: true });
      const error = await load({ before: fs + on('linux', 'x64', file) });
      expect(error.message).toContain(`binding-linux-x64-${alpine === true ? 'musl' : 'gnu'} `);
    }
  });
});
