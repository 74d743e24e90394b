// The test kit in the runners that people have, from the packed tarball.

import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { newConsumer, root } from './support/consumer.js';

let consumer: Awaited<ReturnType<typeof newConsumer>>;
beforeAll(async () => {
  consumer = await newConsumer();
  await writeFile(path.join(consumer.project, 'package.json'), '{ "private": true }');
}, 60_000);
afterAll(() => consumer.remove());

/** What stays the same in all runners; nobody stops the stand-in, and the runner ends all the same. */
const SPEC = `
test('a user is known', async () => {
  const stack = await startStackAuth();
  const { user, accessToken } = stack.signIn({ email: 'ada@example.com' });
  assert.deepEqual(await getUser(accessToken, stack.options), user);
  stack.clock = new Date(stack.clock.getTime() + 3_600_000);
  const later = { ...stack.options, currentDate: stack.clock };
  await assert.rejects(verifyJwt(accessToken, later), { code: 'ERR_JWT_EXPIRED', status: 401 });
  assert.throws(() => stack.signIn({ type: 'guest' }), TypeError);
  await stack.outage('refuse');
  await assert.rejects(getUser(accessToken, stack.options), { status: 503 });
});
test('another is not', async () => {
  const stack = await startStackAuth();
  const { user, accessToken } = stack.signIn();
  stack.deleteUser(user);
  await assert.rejects(getUser(accessToken, stack.options), { status: 401 });
});
`;
const CJS = `
const assert = require('node:assert/strict');
const { getUser, verifyJwt } = require('stack-auth-native');
const { startStackAuth } = require('stack-auth-native/testing');
`;
const ESM = `
import assert from 'node:assert/strict';
import { getUser, verifyJwt } from 'stack-auth-native';
import { startStackAuth } from 'stack-auth-native/testing';
`;
const modules = path.join(root, 'node_modules');

test.each([
  {
    runner: 'node:test, CommonJS',
    file: 'kit.test.cjs',
    code: `const { test } = require('node:test');${CJS}`,
    command: ['--test', '--test-reporter=tap', 'kit.test.cjs'],
    passed: /^# pass 2$/m,
  },
  {
    runner: 'node:test, ES modules',
    file: 'kit.test.mjs',
    code: `import { test } from 'node:test';${ESM}`,
    command: ['--test', '--test-reporter=tap', 'kit.test.mjs'],
    passed: /^# pass 2$/m,
  },
  {
    runner: 'jest',
    file: 'kit.jest.js',
    code: CJS,
    command: [
      path.join(modules, 'jest/bin/jest.js'),
      ...[
        '--rootDir=.',
        '--testMatch=**/kit.jest.js',
        '--no-watchman',
        '--no-cache',
        '--runInBand',
      ],
    ],
    passed: /Tests: +2 passed, 2 total/,
  },
  {
    runner: 'vitest',
    file: 'kit.spec.mjs',
    code: ESM,
    command: [
      path.join(modules, 'vitest/vitest.mjs'),
      ...['run', '--root=.', '--globals', '--no-color', 'kit.spec.mjs'],
    ],
    passed: /Tests +2 passed \(2\)/,
  },
])(
  'works in $runner',
  async ({ file, code, command, passed }) => {
    await writeFile(path.join(consumer.project, file), code + SPEC);
    const output = await consumer.outputOf(command);
    expect(output).toMatch(passed);
    expect(output).not.toMatch(/did not exit|open handle|failed to exit/i);
  },
  90_000,
);
