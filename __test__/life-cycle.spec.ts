import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

import { startIssuer } from './support/cache-issuer.js';
import { stress } from './support/stress.js';

test('threads and processes that end with calls in flight', { timeout: 120_000 }, async () => {
  const output = await stress('life', '--rounds', '4');
  expect(output).toMatch(/^two copies, and vm contexts +work /m);
});

/** What a program writes that has a client with its keys, and a `token`. */
async function outputOf(program: string, before = '') {
  const issuer = await startIssuer();
  const code = `(async () => {
    ${before}
    const { StackAuth } = require(process.env.PACKAGE);
    const client = new StackAuth(JSON.parse(process.env.OPTIONS));
    const token = process.env.TOKEN;
    await client.warmUp();
    ${program}
  })();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', code], {
    env: {
      ...process.env,
      PACKAGE: fileURLToPath(new URL('../index.js', import.meta.url)),
      OPTIONS: JSON.stringify({ ...issuer.options, tokenCacheBytes: 0 }),
      TOKEN: await issuer.mint(),
    },
    timeout: 25_000,
  });
  return stdout.trim();
}

test('a process ends though it verifies on `beforeExit`', async () => {
  const program = `
    let times = 0;
    process.on('beforeExit', () => {
      times += 1;
      if (times > 100) process.exit(1);
      client.verifyJwt(token);
    });
    process.on('exit', () => console.log(times));`;
  expect(await outputOf(program)).toBe('1');
});

test.each([
  ['a number', 'Number'],
  ['nothing', 'void'],
])('a process goes on where something in place of `setImmediate` returns %s', async (_, made) => {
  const before = `
    const timers = require('node:timers');
    const { setImmediate } = timers;
    timers.setImmediate = (callback) => ${made} (setImmediate(callback));`;
  const program = `
    const verified = await client.verifyJwt(token);
    setImmediate(() => console.log(typeof verified.payload.sub));`;
  expect(await outputOf(program, before)).toBe('string');
});

test('a process goes on where there is no global `setImmediate`, as in jsdom', async () => {
  const program = `
    const verified = await client.verifyJwt(token);
    setTimeout(() => console.log(typeof verified.payload.sub), 5);`;
  expect(await outputOf(program, 'delete globalThis.setImmediate;')).toBe('string');
});
