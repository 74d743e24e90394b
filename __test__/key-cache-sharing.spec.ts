import { fork } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { describe, expect, onTestFinished, test } from 'vitest';
import { StackAuth, verifyJwt } from '../index.js';
import {
  answer,
  answerKeys,
  failure,
  hang,
  hold,
  keysOfAge,
  startIssuer,
  statsOf,
  times,
  USER_ID,
  until,
} from './support/cache-issuer.js';
import { timed } from './support/lateness.js';
import type { StandIn } from './support/stand-in.js';

const ABORTED = { name: 'AbortError', code: 'ABORT_ERR' };
const LATE = { code: 'ERR_JWKS_TIMEOUT', status: 503, retryable: true };

describe('an aborted call', () => {
  test('rejects at once, and those who wait for the same fetch go on', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const open = hold(issuer, 'jwks');
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = verifyJwt(token, { ...issuer.options, signal });
    const others = times(3, () => verifyJwt(token, issuer.options));
    await until(() => issuer.jwksRequests === 1);

    const reason = new Error('the client went away');
    controller.abort(reason);
    await expect(aborted).rejects.toMatchObject({ ...ABORTED, cause: reason });
    open();
    await Promise.all(others);
    expect(issuer.jwksRequests).toBe(1);
  });

  test('leaves its fetch to the next one, even if it was alone', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const open = hold(issuer, 'jwks');
    const signal = AbortSignal.timeout(20);
    const aborted = verifyJwt(token, { ...issuer.options, signal });
    await expect(aborted).rejects.toMatchObject({ ...ABORTED, cause: { name: 'TimeoutError' } });
    const next = verifyJwt(token, issuer.options);
    open();
    await next;
    expect(issuer.jwksRequests).toBe(1);
  });

  test('costs nothing if it was aborted before', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const signal = AbortSignal.abort('why not');
    const aborted = verifyJwt(token, { ...issuer.options, signal });
    await expect(aborted).rejects.toMatchObject({ ...ABORTED, cause: 'why not' });
    expect(statsOf(issuer).fetches).toBe(0);
  });

  test('was not aborted if it had its answer before', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const controller = new AbortController();
    const { signal } = controller;
    await verifyJwt(token, { ...issuer.options, signal });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    controller.abort();
  });
});

test('one signal may stand behind many calls', async () => {
  const issuer = await startIssuer();
  const token = await issuer.mint();
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  onTestFinished(() => void process.off('warning', onWarning));
  const open = hold(issuer, 'jwks');
  const { signal } = new AbortController();
  const calls = times(20, () => verifyJwt(token, { ...issuer.options, signal }));
  await until(() => issuer.jwksRequests === 1);
  open();
  await Promise.all(calls);
  expect(warnings).toEqual([]);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

describe('callers with different time-outs', () => {
  test.each([[[60, 20_000]], [[20_000, 60]]])(
    '(%j) share one fetch, which the shorter one does not end',
    async (timeouts) => {
      const issuer = await startIssuer();
      const token = await issuer.mint();
      const open = hold(issuer, 'jwks');
      const calls = new Map(
        timeouts.map((timeout) => [timeout, verifyJwt(token, { ...issuer.options, timeout })]),
      );
      expect(await failure(calls.get(60)!)).toMatchObject(LATE);
      open();
      await calls.get(20_000);
      expect(issuer.jwksRequests).toBe(1);
    },
  );
});

describe('worker threads', () => {
  function startWorker(issuer: StandIn, token: string) {
    const workerData = { options: issuer.options, token };
    const worker = new Worker(new URL('support/cache-worker.js', import.meta.url), { workerData });
    onTestFinished(async () => void (await worker.terminate()));
    return worker;
  }

  test('use the keys that another thread fetched', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await verifyJwt(token, issuer.options);
    const verified = times(4, () => once(startWorker(issuer, token), 'message'));
    expect(await Promise.all(verified)).toEqual(times(4, () => [USER_ID]));
    expect(issuer.jwksRequests).toBe(1);
  });

  test('wait for one fetch together', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const verified = times(4, () => once(startWorker(issuer, token), 'message'));
    expect(await Promise.all(verified)).toEqual(times(4, () => [USER_ID]));
    expect(issuer.jwksRequests).toBe(1);
  });

  test('hear of keys that another thread found to be withdrawn', async () => {
    const issuer = await startIssuer();
    const worker = startWorker(issuer, await issuer.mint());
    const ask = async () => {
      worker.postMessage('again');
      return (await once(worker, 'message'))[0];
    };
    await once(worker, 'message');
    // Until it is remembered, and what was parsed of it too.
    expect([await ask(), await ask(), await ask()]).toEqual(times(3, () => USER_ID));
    issuer.rotate({ withdraw: true });
    await verifyJwt(await issuer.mint(), issuer.options);
    expect(await ask()).toBe('ERR_JWKS_NO_MATCHING_KEY');
  });

  test('end without ending the fetch that they began', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const open = hold(issuer, 'jwks');
    const worker = startWorker(issuer, token);
    await until(() => issuer.jwksRequests === 1);
    const verified = verifyJwt(token, issuer.options);
    await worker.terminate();
    open();
    await verified;
    expect(issuer.jwksRequests).toBe(1);
  });
});

describe('a process', () => {
  /** Makes a call in a process of its own, and `when` tells it that it has nothing left to do. */
  async function runCall(job: object, when: Promise<unknown>) {
    const child = fork(new URL('support/cache-process.js', import.meta.url), { execArgv: [] });
    onTestFinished(() => void child.kill());
    child.send(job);
    await when;
    return timed(() => {
      child.send('end');
      return Promise.all([once(child, 'message'), once(child, 'exit')]);
    });
  }

  /** Nothing that hangs ends before. */
  const timeout = 10_000;
  const PROMPTLY = expect.toSatisfy((millis) => millis < 3_000);
  const ended = (outcome: string) => [
    [
      [outcome, undefined],
      [0, null],
    ],
    PROMPTLY,
  ];

  test('starts from exported keys without a fetch', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await verifyJwt(token, issuer.options);
    const keys = new StackAuth(issuer.options).exportKeys();
    const job = { call: 'verifyJwt', token, options: { ...issuer.options, keys } };
    expect(await runCall(job, Promise.resolve())).toEqual(ended('done'));
    expect(issuer.jwksRequests).toBe(1);
  });

  test('is not kept alive by a background refresh', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    answerKeys(issuer, hang);
    const options = { ...issuer.options, timeout, keys: await keysOfAge(issuer, 540_000) };
    const job = { call: 'verifyJwt', token, options };
    const pending = until(() => issuer.jwksRequests === 1);
    expect(await runCall(job, pending)).toEqual(ended('done'));
  });

  test('is not kept alive by a fetch that hangs', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    answerKeys(issuer, hang);
    const options = { ...issuer.options, timeout };
    const job = { call: 'verifyJwt', token, options, abortable: true };
    const pending = until(() => issuer.jwksRequests === 1);
    expect(await runCall(job, pending)).toEqual(ended('AbortError'));
  });

  test('is not kept alive by a warm-up that hangs', async () => {
    const issuer = await startIssuer();
    answerKeys(issuer, hang);
    const options = { ...issuer.options, timeout };
    const job = { call: 'warmUp', options, abortable: true };
    const pending = until(() => issuer.jwksRequests === 1);
    expect(await runCall(job, pending)).toEqual(ended('AbortError'));
  });

  test('is not kept alive by a shared request for a user that hangs', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    answer(issuer, 'users/me', hang);
    const options = { ...issuer.options, timeout, maxAge: 1_000 };
    const job = { call: 'getUser', token, options, abortable: true };
    const pending = until(() => issuer.userRequests === 1);
    expect(await runCall(job, pending)).toEqual(ended('AbortError'));
  });
});
