import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';

import { getUser, StackAuth, StackAuthError, type VerifyMessage, verifyJwt } from '../index.js';
import {
  answerKeys,
  backOffOf,
  hang,
  refuseConnections,
  startIssuer,
  status,
  USER_ID,
  until,
} from './support/cache-issuer.js';

function listen<T = any>(name: string) {
  const messages: T[] = [];
  const listener = (message: unknown) => {
    messages.push(message as T);
  };
  subscribe(name, listener);
  onTestFinished(() => {
    unsubscribe(name, listener);
  });
  return messages;
}

/** None of what is told of can have taken longer than what all of it took. */
function expectDurations(messages: Array<{ duration: number }>, start: number) {
  const most = Math.ceil(performance.now() - start) + 1; // That of a fetch is the difference of whole milliseconds.
  for (const { duration } of messages) {
    expect(duration).toBeGreaterThanOrEqual(0);
    expect(duration).toBeLessThanOrEqual(most);
  }
}

const ofUrl = (messages: any[], url: string) => messages.filter((message) => message.url === url);

test('each fetch of keys is told of, when it succeeds and when it fails', async () => {
  const refreshes = listen('stack-auth-native:keys:refresh');
  const errors = listen('stack-auth-native:keys:error');
  const issuer = await startIssuer();
  const client = new StackAuth({ ...issuer.options, cacheMaxAge: 1, staleIfError: 0 });
  const { url } = client.stats().keys;
  const start = performance.now();

  await client.warmUp();
  await until(() => ofUrl(refreshes, url).length === 1);
  expect(ofUrl(refreshes, url)).toEqual([
    { url, kids: client.stats().keys.kids, duration: expect.any(Number) },
  ]);
  expect(client.stats().keys.kids).not.toEqual([]);

  answerKeys(issuer, status(500));
  await expect(client.warmUp()).rejects.toThrow();
  await until(() => ofUrl(errors, url).length === 1);
  const [failed] = ofUrl(errors, url);
  expect(failed).toEqual({
    url,
    duration: expect.any(Number),
    error: expect.any(StackAuthError),
    failuresInARow: 1,
    nextAttemptIn: expect.any(Number),
  });
  expect(failed.error).toMatchObject({ code: 'ERR_JWKS_FETCH_FAILED', status: 503 });
  expect(failed.nextAttemptIn).toBeGreaterThan(0);
  expect(failed.nextAttemptIn).toBeLessThanOrEqual(250);
  expect(ofUrl(refreshes, url)).toHaveLength(1);
  expectDurations([...ofUrl(refreshes, url), failed], start);
});

test('who listens for keys alone hears of no failure', async () => {
  const refreshes = listen('stack-auth-native:keys:refresh');
  const issuer = await startIssuer();
  const client = new StackAuth({ ...issuer.options, cacheMaxAge: 1, staleIfError: 0 });
  const { url } = client.stats().keys;
  answerKeys(issuer, status(500));
  await expect(client.warmUp()).rejects.toThrow();
  issuer.intercept = undefined;
  await until(() =>
    client.warmUp().then(
      () => true,
      () => false,
    ),
  );
  await until(() => ofUrl(refreshes, url).length > 0);
  expect(ofUrl(refreshes, url).filter(({ kids }) => !kids?.length)).toEqual([]);
});

test('a polluted prototype makes no failure of a fetch', async () => {
  const refreshes = listen('stack-auth-native:keys:refresh');
  const errors = listen('stack-auth-native:keys:error');
  const issuer = await startIssuer();
  const client = new StackAuth(issuer.options);
  const { url } = client.stats().keys;
  (Object.prototype as any).failure = { code: 'x' };
  try {
    await client.warmUp();
    await until(() => ofUrl([...refreshes, ...errors], url).length > 0);
  } finally {
    delete (Object.prototype as any).failure;
  }
  expect(ofUrl(errors, url)).toEqual([]);
});

test('a package that is loaded again is told once, and one fetch fails once', async () => {
  const require = createRequire(import.meta.url);
  for (const file of Object.keys(require.cache)) {
    if (file.endsWith('channels.js')) {
      delete require.cache[file];
    }
  }
  require('../lib/channels.js');
  const errors = listen('stack-auth-native:keys:error');
  const refreshes = listen('stack-auth-native:keys:refresh');
  const issuer = await startIssuer();
  const options = { ...issuer.options, cacheMaxAge: 50 };
  const client = new StackAuth(options);
  const { url } = client.stats().keys;
  await client.warmUp();
  await until(() => ofUrl(refreshes, url).length > 0);

  answerKeys(issuer, hang);
  await sleep(60);
  // The second has less patience than the fetch, and is content with the keys that are known.
  const patient = client.warmUp();
  await new StackAuth({ ...options, timeout: 100 }).warmUp();
  expect(client.stats().keys.failuresInARow).toBe(1);
  await refuseConnections(issuer);
  await patient;
  await until(() => ofUrl(errors, url).length > 0);
  expect(ofUrl(errors, url)).toMatchObject([{ failuresInARow: 1 }]);
  expect(client.stats().keys).toMatchObject({ failedFetches: 1, failuresInARow: 1 });
  expect(ofUrl(refreshes, url)).toHaveLength(1);

  await backOffOf(issuer);
  await client.warmUp();
  await until(() => ofUrl(errors, url).length > 1);
  expect(ofUrl(errors, url)).toMatchObject([{ failuresInARow: 1 }, { failuresInARow: 2 }]);
});

test('each call is told of: function and method, alone and among many, good and bad', async () => {
  const issuer = await startIssuer();
  const { projectId } = issuer.options;
  const all = listen<VerifyMessage>('stack-auth-native:verify');
  const since = (count: number) =>
    all.filter((message) => message.projectId === projectId).slice(count);
  const client = new StackAuth(issuer.options);
  const good = await issuer.mint();
  const duration = expect.any(Number);
  const verified = { operation: 'verifyJwt', projectId, duration, userId: USER_ID };
  const start = performance.now();

  await client.verifyJwt(good); // waits for keys
  await client.verifyJwt(good); // is remembered
  await verifyJwt(await issuer.mint({ claims: { n: 1 } }), issuer.options); // in place
  const many = await Promise.all([2, 3, 4, 5].map((n) => issuer.mint({ claims: { n } })));
  await Promise.all(many.map((token) => client.verifyJwt(token)));
  expect(since(0)).toEqual(Array(7).fill(verified));

  const asked = { ...verified, operation: 'getUser' };
  await client.getUser(good);
  await getUser(good, issuer.options);
  expect(since(7)).toEqual([asked, asked]);

  const error = await client.verifyJwt('nonsense').catch((error) => error);
  await client.getUser('nonsense').catch(() => {});
  expect(since(9)).toEqual([
    { operation: 'verifyJwt', projectId, duration, code: 'ERR_JWS_INVALID', error },
    {
      operation: 'getUser',
      projectId,
      duration,
      code: 'ERR_JWS_INVALID',
      error: expect.any(StackAuthError),
    },
  ]);
  await client.verifyJwt(good, { signal: AbortSignal.abort() }).catch(() => {});
  expect(since(11)).toMatchObject([{ code: 'ABORT_ERR', error: { name: 'AbortError' } }]);
  expectDurations(since(0), start);
});

test('a call is told of by its own project, though the environment has another', async () => {
  vi.stubEnv('HEXCLAVE_PROJECT_ID', 'another');
  onTestFinished(() => void vi.unstubAllEnvs());
  const issuer = await startIssuer();
  const all = listen<VerifyMessage>('stack-auth-native:verify');
  const perCall = { currentDate: new Date() };
  await verifyJwt(await issuer.mint(), { ...issuer.options, ...perCall });
  await new StackAuth(issuer.options).verifyJwt(await issuer.mint(), perCall);
  expect(all.map(({ projectId }) => projectId)).toEqual([issuer.projectId, issuer.projectId]);
});

test.each(['function', 'method'])(
  'results and errors of the %s are the same, whether anybody listens or not',
  async (kind) => {
    const issuer = await startIssuer();
    const client = new StackAuth(issuer.options);
    const good = await issuer.mint();
    async function callOfMine(token: string) {
      return kind === 'method' ? client.verifyJwt(token) : verifyJwt(token, issuer.options);
    }
    const quiet = [await callOfMine(good), await callOfMine('a.b').catch((error) => error)];
    listen('stack-auth-native:verify');
    const watched = [await callOfMine(good), await callOfMine('a.b').catch((error) => error)];
    expect(watched).toEqual(quiet);
    const frames = (error: Error) => error.stack?.split('\n').slice(0, 2).join('\n');
    expect(frames(watched[1])).toContain('callOfMine');
    expect(frames(watched[1])).toBe(frames(quiet[1]));
  },
);

test('no message holds a token or a key', async () => {
  const secretServerKey = 'ssk_of_nobody_else';
  const issuer = await startIssuer();
  const client = new StackAuth({ ...issuer.options, secretServerKey });
  const messages = ['keys:refresh', 'keys:error', 'verify'].map((name) =>
    listen(`stack-auth-native:${name}`),
  );
  const good = await issuer.mint();
  const forged = good.replace(/.{6}$/, 'AAAAAA');
  await client.verifyJwt(good);
  for (const token of [forged, `${good}.x`, good.slice(9)]) {
    await client.verifyJwt(token).catch(() => {});
  }
  answerKeys(issuer, (_request, response) => response.end(`{"keys":"${good} ${secretServerKey}"}`));
  await client.verifyJwt(good, { cacheMaxAge: 0 });
  await until(() => messages[1]?.length === 1);
  const text = messages.flat().map((message) => {
    const { stack, ...error } = message.error ?? {};
    return JSON.stringify([message, error, stack]);
  });
  expect(text.length).toBeGreaterThanOrEqual(5);
  for (const secret of [secretServerKey, ...good.split('.')]) {
    expect(text.join('\n')).not.toContain(secret);
  }
});
