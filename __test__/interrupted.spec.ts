// Whatever interrupts one call among many, or comes in between, nobody gets what another waits for.

import { createHook } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

import { StackAuth } from '../index.js';
import { startIssuer } from './support/cache-issuer.js';

const run = promisify(execFile);

/** A client and a way to make tokens, with many checks under way at the same time from now on. */
async function start() {
  const issuer = await startIssuer();
  const client = new StackAuth({ ...issuer.options, tokenCacheBytes: 0 });
  await client.warmUp();
  const tokenOf = (sub: string) => issuer.mint({ claims: { sub } });
  const subOf = (token: string) => client.verifyJwt(token).then(({ payload }) => payload.sub);
  return { issuer, client, tokenOf, subOf };
}

test.each([0, 1, 2, 3, 4])(
  'a call that begins inside another: at its promise %s',
  async (which) => {
    const { tokenOf, subOf } = await start();
    const [first, alice, bob] = await Promise.all(['first', 'alice', 'bob'].map(tokenOf));
    const pending = [subOf(first!)];
    let inside: Promise<string> | undefined;
    let seen = 0;
    const hook = createHook({
      init(_id, type) {
        if (type === 'PROMISE' && inside === undefined && seen++ === which) {
          inside = Promise.resolve(''); // once
          inside = subOf(bob!);
        }
      },
    });
    hook.enable();
    pending.push(subOf(alice!));
    hook.disable();
    expect(await Promise.all(pending)).toEqual(['first', 'alice']);
    expect(await (inside ?? subOf(bob!))).toBe('bob');
  },
);

describe('a call that is cut off by the end of the stack', () => {
  const code = `
    const { StackAuth } = require(process.env.PACKAGE);
    const { options, tokens } = JSON.parse(process.env.CASE);
    const frame = Array(Number(process.env.FRAME)).fill(0);
    (async () => {
      const client = new StackAuth({ ...options, tokenCacheBytes: 0 });
      await client.warmUp();
      const subOf = (token) => client.verifyJwt(token).then(({ payload }) => payload.sub, String);
      let wrong = 0;
      for (let depth = 0; depth < 40; depth += 1) {
        const first = subOf(tokens.first);
        let left = depth;
        (function deep(...frame) {
          try {
            deep(...frame);
          } catch {}
          if (left-- === 0) {
            try {
              client.verifyJwt(tokens.cut).catch(() => {});
            } catch {}
          }
        })(...frame);
        const found = await Promise.all([first, ...['first', 'alice', 'bob'].map((of) => subOf(tokens[of]))]);
        wrong += found.join() === 'first,first,alice,bob' ? 0 : 1;
      }
      console.log(wrong);
    })();`;

  test.each([0, 3, 5, 8])('with frames of %s', async (frame) => {
    const { issuer, tokenOf } = await start();
    const names = ['first', 'cut', 'alice', 'bob'];
    const tokens = Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await tokenOf(name)])),
    );
    const { stdout } = await run(process.execPath, ['-e', code], {
      env: {
        ...process.env,
        PACKAGE: fileURLToPath(new URL('../index.js', import.meta.url)),
        CASE: JSON.stringify({ options: issuer.options, tokens }),
        FRAME: String(frame),
      },
      timeout: 25_000,
    });
    expect(stdout.trim()).toBe('0');
  });
});

test.each(['code', 'details', 'cause', 'then'])('a polluted prototype: %s', async (name) => {
  const { client, tokenOf, subOf } = await start();
  const tokens = await Promise.all(['a', 'b', 'c'].map(tokenOf));
  const forged = tokens[0]!.replace(/.{6}$/, 'AAAAAA');
  (Object.prototype as any)[name] = 'x';
  try {
    const refusal = client.verifyJwt(forged).catch((error) => error);
    const [subs, error] = await Promise.all([Promise.all(tokens.map(subOf)), refusal]);
    expect(subs).toEqual(['a', 'b', 'c']);
    expect(error.code).toBe('ERR_JWS_SIGNATURE_VERIFICATION_FAILED');
    expect(() => new StackAuth({ projectId: `polluted-${name}` })).not.toThrow();
  } finally {
    delete (Object.prototype as any)[name];
  }
});
