import { readdirSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { newConsumer, root, run } from './support/consumer.js';

const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
let consumer: Awaited<ReturnType<typeof newConsumer>>;

beforeAll(async () => {
  consumer = await newConsumer();
}, 60_000);
afterAll(() => consumer.remove());

const USE = `
const client = new StackAuth({ projectId: 'p' });
verifyJwt('nonsense', { projectId: 'p' }).catch((error) => {
  const answers = [error instanceof StackAuthError, error.code, typeof client.getUser, typeof getUser];
  console.log(JSON.stringify(answers));
});
`;
const EXPECTED = [true, 'ERR_JWS_INVALID', 'function', 'function'];

/** The pages have links to them. */
const EXAMPLES = readdirSync(path.join(root, 'examples'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)));

describe('the packed tarball', () => {
  test('holds what is needed and nothing else', () => {
    const { files, size } = consumer.packed;
    expect(files.map((file) => file.path).sort()).toEqual(
      [
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'binding.js',
        ...readdirSync(path.join(root, 'docs')).map((page) => `docs/${page}`),
        ...EXAMPLES,
        'express.d.ts',
        'express.js',
        'index.d.ts',
        'index.js',
        'lib/abort.js',
        'lib/access-token.js',
        'lib/auth-errors.js',
        'lib/authenticate.js',
        'lib/calls.js',
        'lib/challenge.js',
        'lib/channels.js',
        'lib/checks.js',
        'lib/client.js',
        'lib/errors.js',
        'lib/found.js',
        'lib/libc.js',
        'lib/options.js',
        'lib/recent.js',
        'lib/templates.js',
        'lib/testing/api.js',
        'lib/testing/errors.js',
        'lib/testing/keys.js',
        'lib/testing/users.js',
        'lib/verified.js',
        'package.json',
        'testing.d.ts',
        'testing.js',
      ].sort(),
    );
    expect(size).toBeLessThanOrEqual(150 * 1024);
  });

  test('runs nothing when it is installed, and needs its binaries only', async () => {
    const modules = path.join(consumer.project, 'node_modules');
    const [folder] = await readdir(path.join(modules, '@stack-auth-native'));
    const [main, binding] = await Promise.all(
      ['stack-auth-native', `@stack-auth-native/${folder}`].map(async (name) =>
        JSON.parse(await readFile(path.join(modules, name, 'package.json'), 'utf8')),
      ),
    );
    for (const manifest of [main, binding]) {
      for (const part of ['scripts', 'dependencies', 'peerDependencies', 'devDependencies']) {
        expect(manifest).not.toHaveProperty(part);
      }
    }
    expect(main.optionalDependencies).toEqual({ [binding.name]: main.version });
    // npm says nothing when it leaves out an optional dependency because of its `engines`.
    expect(binding).not.toHaveProperty('engines');
    expect(binding).toMatchObject({ os: [process.platform], cpu: [process.arch] });
    expect(await readdir(path.join(modules, binding.name))).toEqual([
      'LICENSE',
      'README.md',
      'THIRD-PARTY-NOTICES',
      'package.json',
      binding.main,
    ]);
  });

  test('has the notices of the crates that its binary is made of', async () => {
    const read = (file: string) => readFile(path.join(root, file), 'utf8');
    const notices = await read('release/THIRD-PARTY-NOTICES');
    const lock = await read('Cargo.lock');
    const manifest = await read('Cargo.toml');
    const noticed = [...notices.matchAll(/^- ([\w-]+) ([\w.+-]+?)(?:, by|$)/gm)];
    const locked = new Set(
      [...lock.matchAll(/^name = "(.+)"\nversion = "(.+)"$/gm)].map(([, ...crate]) => `${crate}`),
    );
    const gone = noticed.filter(([, ...crate]) => !locked.has(`${crate}`));
    expect(gone, 'npm run release:notices brings them up to date').toEqual([]);
    const [, ...tables] = manifest.split(/^\[(?=(?:target\..+\.)?dependencies\])/m);
    const direct = tables.flatMap((table) => [
      ...(table.split(/^\[/m)[0] ?? '').matchAll(/^([\w-]+) = (?:.*package = "([\w-]+)")?/gm),
    ]);
    const names = direct.map(([, name, renamed]) => renamed ?? name);
    expect(names.length).toBeGreaterThan(15);
    expect(noticed.map(([, name]) => name)).toEqual(expect.arrayContaining(names));
  });

  test('has nothing that publint or "are the types wrong" would report', async () => {
    const bin = path.join(root, 'node_modules/.bin');
    const publint = await run(path.join(bin, 'publint'), [
      'run',
      '--strict',
      consumer.packed.tarball,
    ]);
    expect(publint.stdout).toContain('All good!');
    const attw = await run(path.join(bin, 'attw'), ['--format', 'json', consumer.packed.tarball]);
    const { analysis } = JSON.parse(attw.stdout);
    expect(analysis.problems).toEqual([]);
    expect(Object.keys(analysis.entrypoints)).toEqual([
      '.',
      './express',
      './testing',
      './package.json',
    ]);
  });

  test.each([
    ['express.cjs', "const { getAuth, requireUser } = require('stack-auth-native/express');"],
    ['express.mjs', "import { getAuth, requireUser } from 'stack-auth-native/express';"],
  ])('serves Express from %s, which need not be there', async (name, importing) => {
    const { project } = consumer;
    const file = path.join(project, name);
    const use = `
const request = { headers: {} };
const response = { headersSent: false, setHeader: (...header) => console.log(...header) };
requireUser({ projectId: 'p' })(request, response, (error) => console.log(error.code));`;
    await writeFile(file, importing + use);
    const { stdout } = await run(process.execPath, [file], { cwd: project });
    expect(stdout).toBe('WWW-Authenticate Bearer realm="stack-auth"\nERR_TOKEN_MISSING\n');
  });

  test.each([
    [
      'consumer.cjs',
      "const { StackAuth, StackAuthError, getUser, verifyJwt } = require('stack-auth-native');",
    ],
    [
      'consumer.mjs',
      "import { StackAuth, StackAuthError, getUser, verifyJwt } from 'stack-auth-native';",
    ],
    [
      'default.mjs',
      "import native from 'stack-auth-native'; const { StackAuth, StackAuthError, getUser, verifyJwt } = native;",
    ],
    [
      'dynamic.cjs',
      "import('stack-auth-native').then(({ StackAuth, StackAuthError, getUser, verifyJwt }) => {",
    ],
  ])('runs from %s', async (name, importing) => {
    const { project } = consumer;
    const file = path.join(project, name);
    await writeFile(file, importing + USE + (importing.endsWith('{') ? '});' : ''));
    const { stdout, stderr } = await run(process.execPath, [file], { cwd: project });
    expect(JSON.parse(stdout)).toEqual(EXPECTED);
    expect(stderr).toBe('');
  });

  test.each([
    ['node16', 'consumer.cts'],
    ['node16', 'consumer.mts'],
    ['nodenext', 'consumer.cts'],
    ['nodenext', 'consumer.mts'],
    ['bundler', 'consumer.ts'],
  ])('has types under %s resolution, seen from %s', async (resolution, name) => {
    const importing = name.endsWith('.cts')
      ? "import stack = require('stack-auth-native');\nimport testing = require('stack-auth-native/testing');\nconst { StackAuth, StackAuthError, getUser, verifyJwt } = stack;\nconst { startStackAuth } = testing;"
      : "import { StackAuth, StackAuthError, getUser, verifyJwt } from 'stack-auth-native';\nimport { startStackAuth } from 'stack-auth-native/testing';";
    const checks = `
import { getAuth, requireUser } from 'stack-auth-native/express';
requireUser({ projectId: 'p' })({ headers: {} }, { headersSent: false, setHeader() {} }, () => {});
export const userId: string = getAuth({}).userId;
export const sub: Promise<string> = verifyJwt('t').then(({ payload }) => payload.sub);
// @ts-expect-error: known to be no number
export const wrong: Promise<number> = verifyJwt('t').then(({ payload }) => payload.sub);
export const user = startStackAuth().then((stack) => {
  new StackAuth(stack.options);
  stack.clock = new Date();
  return stack.signIn({ type: 'restricted', claims: { role: 'x' } }).user.primary_email;
});
// @ts-expect-error: no such user type
startStackAuth().then((stack) => stack.signIn({ type: 'guest' }));`;
    const { project } = consumer;
    await writeFile(path.join(project, name), importing + USE + checks);
    const module = resolution === 'bundler' ? 'esnext' : resolution;
    const options = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--types', 'node'];
    const target = ['--target', 'es2022', '--module', module, '--moduleResolution', resolution];
    const { stdout } = await run(process.execPath, [tsc, ...options, ...target, name], {
      cwd: project,
    }).catch((failure) => failure);
    expect(stdout).toBe('');
  });
});
