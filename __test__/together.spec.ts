import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, onTestFinished, test, vi } from 'vitest';

import { getUser, StackAuth, verifyJwt } from '../index.js';
import { answerKeys, hang, startIssuer, status, times, USER_ID } from './support/cache-issuer.js';
import { newSigner, sign } from './support/tokens.js';

const { Batch } = createRequire(import.meta.url)('../binding.js');

function listenToVerify() {
  const listener = () => {};
  subscribe('stack-auth-native:verify', listener);
  onTestFinished(() => void unsubscribe('stack-auth-native:verify', listener));
}

describe('many calls at once', () => {
  test('each get the answer about their own token', async () => {
    const [one, other] = [await startIssuer(), await startIssuer()];
    const clients = [new StackAuth(one.options), new StackAuth(other.options)];
    const tokens = await Promise.all(
      times(300, (n) => (n % 2 ? other : one).mint({ claims: { n } })),
    );
    const forge = (token: string) => token.replace(/.{6}$/, 'AAAAAA');
    await Promise.all(clients.map((client) => client.warmUp()));

    for (let round = 0; round < 3; round += 1) {
      const outcomes = await Promise.allSettled(
        tokens.map((token, n) => clients[n % 2]!.verifyJwt(n % 3 ? token : forge(token))),
      );
      for (const [n, outcome] of outcomes.entries()) {
        const expected =
          n % 3
            ? { status: 'fulfilled', value: { payload: { n } } }
            : { reason: { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' } };
        expect(outcome).toMatchObject(expected);
      }
    }
  });

  test.each([false, true])(
    'each get the error of their own token (listened to: %s)',
    async (heard) => {
      if (heard) {
        listenToVerify();
      }
      const issuer = await startIssuer();
      const client = new StackAuth({ ...issuer.options, tokenCacheBytes: 0 });
      await client.warmUp();
      const good = await issuer.mint();
      const kinds = [
        [good, undefined],
        [await issuer.mint({ expiresIn: -60 }), 'ERR_JWT_EXPIRED'],
        [good.replace(/.{6}$/, 'AAAAAA'), 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED'],
        [await issuer.mint({ type: 'anonymous' }), 'ERR_USER_TYPE_NOT_ALLOWED'],
        ['nonsense', 'ERR_JWS_INVALID'],
      ] as const;
      const calls = times(100, (n) => kinds[n % kinds.length]!);
      const codes = await Promise.all(
        calls.map(([token]) =>
          client.verifyJwt(token).then(
            () => undefined,
            ({ code }) => code,
          ),
        ),
      );
      expect(codes).toEqual(calls.map(([, code]) => code));
    },
  );

  test('are checked on other threads, but for the first few requests of a turn', async () => {
    const issuer = await startIssuer();
    const client = new StackAuth({ ...issuer.options, tokenCacheBytes: 0 });
    await client.warmUp();
    const token = await issuer.mint();
    for (const [requests, inPlace] of [
      [20, 4],
      [4, 4],
      [1, 1],
    ] as const) {
      let settled = 0;
      // Each is a callback of its own, all in one turn, in which nothing can come from another thread.
      const calls = times(requests, () =>
        new Promise<void>(setImmediate)
          .then(() => client.verifyJwt(token))
          .then(() => {
            settled += 1;
          }),
      );
      await new Promise<void>(setImmediate);
      expect(settled).toBe(inPlace);
      await Promise.all(calls);
      await new Promise<void>(setImmediate);
    }
  });

  test('stay on this thread where each is awaited before the next', async () => {
    const issuer = await startIssuer();
    const client = new StackAuth({ ...issuer.options, tokenCacheBytes: 0 });
    await client.warmUp();
    const token = await issuer.mint();
    let turns = 0;
    setImmediate(() => {
      turns += 1;
    });
    for (let call = 0; call < 20; call += 1) {
      await client.verifyJwt(token);
    }
    expect(turns).toBe(0);
  });

  test('wait for keys together with others that need not', async () => {
    const [warm, cold] = [await startIssuer(), await startIssuer()];
    const client = new StackAuth(warm.options);
    await client.warmUp();
    const tokens = await Promise.all(times(4, () => warm.mint()));
    const token = await cold.mint();
    const [, late, ...others] = await Promise.all([
      client.verifyJwt(tokens[0]!),
      verifyJwt(token, cold.options),
      ...tokens.map((other) => client.verifyJwt(other)),
    ]);
    expect(late.payload.iss).toContain(cold.url);
    expect(others).toHaveLength(4);
  });

  test('each get a payload and a header of their own', async () => {
    const issuer = await startIssuer();
    const key = newSigner('k');
    const options = {
      ...issuer.options,
      keys: { jwks: { keys: [{ ...key.jwk }] }, uat: Date.now() },
      tokenCacheBytes: 0,
    };
    const iss = `${issuer.url}/api/v1/projects/${issuer.projectId}`;
    const exp = Math.floor(Date.now() / 1_000) + 60;
    for (const header of [{ typ: 'JWT' }, { nested: { list: [1] } }]) {
      const tokens = times(20, (n) =>
        sign(
          { alg: 'ES256', kid: 'k', ...header },
          { iss, aud: issuer.projectId, sub: `${n}`, exp, nested: { n } },
          key,
        ),
      );
      const results = await Promise.all(tokens.map((token) => verifyJwt(token, options)));
      for (const [n, { payload, protectedHeader }] of results.entries()) {
        expect(protectedHeader).toEqual({ alg: 'ES256', kid: 'k', ...header });
        expect(payload).toMatchObject({ sub: `${n}`, nested: { n } });
        protectedHeader.kid = 'changed';
        (payload.nested as any).n = 'changed';
        (protectedHeader.nested as any)?.list.push(2);
      }
    }
  });

  test('judge each token by the options of its own call', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint({ type: 'anonymous' });
    const options = { ...issuer.options, allowAnonymous: true, tokenCacheBytes: 0 };
    await verifyJwt(token, options);
    const dates = times(40, (n) => new Date(n % 2 ? Date.now() : Date.now() + 3_600_000));
    const outcomes = await Promise.allSettled(
      dates.map((currentDate) => verifyJwt(token, { ...options, currentDate })),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(
      times(40, (n) => (n % 2 ? 'fulfilled' : 'rejected')),
    );
  });

  test('have errors whose stack points at the caller that awaits them', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await verifyJwt(token, issuer.options);
    async function theCallerOfThis() {
      return Promise.all(
        times(3, (n) => verifyJwt(`${token.slice(0, -6)}AAAAA${n}`, issuer.options)),
      );
    }
    const { stack } = await theCallerOfThis().catch((error) => error);
    expect(stack).toContain('theCallerOfThis');
  });

  test.each(['the function', 'a method', 'one that is listened to'])(
    'have such errors where they wait for keys in vain, too: %s',
    async (way) => {
      const [warm, cold] = [await startIssuer(), await startIssuer()];
      const tokens = [await warm.mint(), await cold.mint()] as const;
      await new StackAuth(warm.options).warmUp();
      answerKeys(cold, status(503));
      if (way.endsWith('listened to')) {
        listenToVerify();
      }
      const verify = (token: string, { options }: typeof cold) =>
        way === 'the function'
          ? verifyJwt(token, options)
          : new StackAuth(options).verifyJwt(token);
      async function theCallerOfThis() {
        await Promise.all([verify(tokens[0], warm), verify(tokens[1], cold)]);
      }
      const error = await theCallerOfThis().catch((error) => error);
      expect(error.code).toBe('ERR_JWKS_FETCH_FAILED');
      expect(error.stack).toContain('theCallerOfThis');
    },
  );

  test('can be aborted one by one', async () => {
    const issuer = await startIssuer();
    const tokens = await Promise.all(times(20, (n) => issuer.mint({ claims: { n } })));
    await verifyJwt(tokens[0]!, issuer.options);
    const controller = new AbortController();
    const theCallerOfThis = (token: string, n: number) =>
      verifyJwt(token, { ...issuer.options, ...(n % 2 && { signal: controller.signal }) });
    const calls = tokens.map(theCallerOfThis);
    (function whoAborts() {
      controller.abort();
    })();
    const outcomes = await Promise.allSettled(calls);
    for (const [n, outcome] of outcomes.entries()) {
      expect(outcome.status, `${n}`).toBe(n % 2 && n > 1 ? 'rejected' : 'fulfilled');
      if (outcome.status === 'rejected') {
        expect(outcome.reason.stack).toContain('theCallerOfThis');
        expect(outcome.reason.stack).not.toContain('whoAborts');
      }
    }
  });

  test('can be aborted by a signal whose other calls are done', async () => {
    const [issuer, slow] = [await startIssuer(), await startIssuer()];
    answerKeys(slow, hang);
    const controller = new AbortController();
    const { signal } = controller;
    const token = await issuer.mint();
    await verifyJwt(token, { ...issuer.options, signal });
    const waiting = verifyJwt(await slow.mint(), { ...slow.options, signal });
    await getUser(token, { ...issuer.options, signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('mix with getUser, new tokens and tokens seen before', async () => {
    const issuer = await startIssuer();
    const tokens = await Promise.all(times(30, (n) => issuer.mint({ claims: { n } })));
    const seen = tokens.slice(0, 10);
    await Promise.all(seen.map((token) => verifyJwt(token, issuer.options)));
    const numbers = () =>
      Promise.all(tokens.map(async (token) => (await verifyJwt(token, issuer.options)).payload.n));
    const [first, users, last] = await Promise.all([
      numbers(),
      Promise.all(tokens.map((token) => getUser(token, issuer.options))),
      numbers(),
    ]);
    expect([first, last]).toEqual(Array(2).fill(times(30, (n) => n)));
    expect(users.map(({ id }) => id)).toEqual(Array(30).fill(USER_ID));
  });

  test('each fail where other threads cannot be had, and not those after them', async () => {
    const issuer = await startIssuer();
    const tokens = await Promise.all(times(60, (n) => issuer.mint({ claims: { n } })));
    await verifyJwt(tokens[0]!, issuer.options);
    const boom = new Error('boom');
    const run = vi.spyOn(Batch.prototype, 'run').mockRejectedValue(boom);
    onTestFinished(() => run.mockRestore());
    const all = () => Promise.allSettled(tokens.map((token) => verifyJwt(token, issuer.options)));
    const [, , ...failed] = await all();
    expect(failed).toEqual(failed.map(() => ({ status: 'rejected', reason: boom })));
    run.mockRestore();
    const again = await all();
    expect(again.filter(({ status }) => status === 'rejected')).toEqual([]);
  });

  test('have no part in a check that is not there: its caller asks by itself', async () => {
    expect(await new Batch().run([1, 2])).toEqual({ json: '[0,0]', failures: [] });
  });

  test('do not outlive a worker that is terminated', async () => {
    const issuer = await startIssuer();
    const tokens = await Promise.all(times(200, (n) => issuer.mint({ claims: { n } })));
    const code = `
      const { parentPort, workerData } = require('node:worker_threads');
      const { verifyJwt } = require(workerData.path);
      const { tokens, options } = workerData;
      verifyJwt(tokens[0], options).then(() => {
        parentPort.postMessage('busy');
        return Promise.all(tokens.map((token) => verifyJwt(token, options)));
      });`;
    const path = fileURLToPath(new URL('../index.js', import.meta.url));
    for (let round = 0; round < 5; round += 1) {
      const options = { ...issuer.options, tokenCacheBytes: 0 };
      const worker = new Worker(code, { eval: true, workerData: { path, tokens, options } });
      await new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      await worker.terminate();
    }
    await expect(verifyJwt(tokens[0]!, issuer.options)).resolves.toBeDefined();
  });
});
