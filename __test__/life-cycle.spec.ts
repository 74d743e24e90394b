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

test('a process ends though it verifies on `beforeExit`', async () => {
  const issuer = await startIssuer();
  const code = `(async () => {
    const { StackAuth } = require(process.env.PACKAGE);
    const client = new StackAuth(JSON.parse(process.env.OPTIONS));
    await client.warmUp();
    let times = 0;
    process.on('beforeExit', () => {
      times += 1;
      if (times > 100) process.exit(1);
      client.verifyJwt(process.env.TOKEN);
    });
    process.on('exit', () => console.log(times));
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
  expect(stdout.trim()).toBe('1');
});
