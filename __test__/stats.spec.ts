import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { StackAuth, verifyJwt } from '../index.js';
import { startStackAuth } from '../testing.js';
import { DOWN, keysOfAge, startIssuer } from './support/cache-issuer.js';

const verifications = (client: StackAuth) => client.stats().verifications;

test('verifications are counted, each once, by how they went', async () => {
  const issuer = await startIssuer();
  const client = new StackAuth(issuer.options);
  expect(verifications(client)).toEqual({ remembered: 0, new: 0, refused: 0 });

  const token = await issuer.mint();
  await client.verifyJwt(token); // waits for the keys
  await client.verifyJwt(await issuer.mint({ claims: { n: 1 } })); // has them
  expect(verifications(client)).toEqual({ remembered: 0, new: 2, refused: 0 });
  await client.verifyJwt(token);
  await client.getUser(token);
  expect(verifications(client)).toEqual({ remembered: 2, new: 2, refused: 0 });

  const anonymous = await issuer.mint({ type: 'anonymous' });
  const forged = token.replace(/.{6}$/, 'AAAAAA');
  const expired = await issuer.mint({ expiresIn: -1 });
  for (const bad of ['nonsense', forged, expired, anonymous]) {
    await expect(client.verifyJwt(bad)).rejects.toMatchObject({ code: expect.any(String) });
  }
  expect(verifications(client)).toEqual({ remembered: 2, new: 2, refused: 4 });
});

test('many at once are counted too', async () => {
  const issuer = await startIssuer();
  const client = new StackAuth(issuer.options);
  await client.warmUp();
  const tokens = await Promise.all(
    Array.from({ length: 40 }, (_, n) => issuer.mint({ claims: { n } })),
  );
  const forged = tokens.map((token) => token.replace(/.{6}$/, 'AAAAAA'));
  await Promise.allSettled([...tokens, ...forged].map((token) => client.verifyJwt(token)));
  expect(verifications(client)).toEqual({ remembered: 0, new: 40, refused: 40 });
});

test('those under equal options are counted together, in whatever order these are', async () => {
  const issuer = await startIssuer();
  const token = await issuer.mint();
  const options = Object.entries({ ...issuer.options, clockTolerance: 1, timeout: 4_000 });
  const client = new StackAuth(Object.fromEntries(options));
  await client.verifyJwt(token);
  const backwards = Object.fromEntries(options.toReversed());
  await verifyJwt(token, backwards);
  await new StackAuth(backwards).verifyJwt(token);
  expect(verifications(client)).toEqual({ remembered: 2, new: 1, refused: 0 });
});

test('those of a client with keys are counted, whatever options a call has', async () => {
  const issuer = await startIssuer();
  const keys = await keysOfAge(issuer, 0);
  const client = new StackAuth({ ...issuer.options, keys });
  const token = await issuer.mint();
  const { projectId } = issuer;
  for (const perCall of [undefined, {}, { timeout: undefined }, { projectId }, { keys }]) {
    await client.verifyJwt(token, perCall);
  }
  await verifyJwt(token, { ...issuer.options, keys });
  await client.verifyJwt('nonsense', { timeout: undefined }).catch(() => {});
  expect(verifications(client)).toEqual({ remembered: 5, new: 1, refused: 1 });
  expect(client.stats().rejections).toEqual({ ERR_JWS_INVALID: 1 });
});

test('what fails for want of keys is nobody’s refusal', async () => {
  const issuer = await startIssuer();
  issuer.intercept = (_, response) => response.writeHead(500).end();
  const client = new StackAuth(issuer.options);
  await expect(client.verifyJwt(await issuer.mint())).rejects.toMatchObject({ status: 503 });
  expect(verifications(client)).toEqual({ remembered: 0, new: 0, refused: 0 });
});

test('what the API alone refuses was good here', async () => {
  const stack = await startStackAuth();
  const client = new StackAuth(stack.options);
  const claims = { restricted_reason: { type: 'restricted_by_administrator' } };
  const { accessToken } = stack.signIn({ claims });
  await expect(client.getUser(accessToken)).rejects.toMatchObject({
    code: 'ERR_USER_TYPE_NOT_ALLOWED',
    stackCode: 'RESTRICTED_USER_NOT_ALLOWED',
  });
  expect(verifications(client)).toEqual({ remembered: 0, new: 1, refused: 0 });
  expect(client.stats().rejections).toEqual({ ERR_USER_TYPE_NOT_ALLOWED: 1 });
  await stack.stop();
});

test('rejections are counted by their codes, whoever was at fault', async () => {
  const issuer = await startIssuer();
  const client = new StackAuth(issuer.options);
  const { rejections } = client.stats();
  expect(rejections).toEqual({});

  const good = await issuer.mint();
  await client.verifyJwt(good);
  const rejected = async (...calls: Array<Promise<unknown>>) => {
    for (const { status } of await Promise.allSettled(calls)) {
      expect(status).toBe('rejected');
    }
  };
  const forged = good.replace(/.{6}$/, 'AAAAAA');
  await rejected(client.verifyJwt('a'), client.verifyJwt('b'), client.getUser('c'));
  await rejected(...Array.from({ length: 5 }, () => client.verifyJwt(forged)));
  issuer.users.clear();
  await rejected(client.getUser(good));
  issuer.intercept = (_, response) => response.writeHead(503, { 'retry-after': '60' }).end();
  await rejected(client.getUser(good));
  expect(client.stats().rejections).toEqual({
    ERR_JWS_INVALID: 3,
    ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 5,
    ERR_USER_UNAUTHENTICATED: 1,
    ERR_API_UNAVAILABLE: 1,
  });
  expect(verifications(client).refused).toBe(8);
});

test('a cache tells of its hits, its misses and its size', async () => {
  const issuer = await startIssuer();
  const tokenCacheBytes = 3_000_000; // shared with no other spec
  const client = new StackAuth({ ...issuer.options, tokenCacheBytes });
  expect(client.stats().tokenCache).toMatchObject({ hits: 0, misses: 0, entries: 0, bytes: 0 });

  const tokens = [await issuer.mint(), await issuer.mint({ claims: { n: 1 } })] as const;
  for (const token of [tokens[0], tokens[1], tokens[1], tokens[1]]) {
    await client.verifyJwt(token);
  }
  const { tokenCache } = client.stats();
  expect(tokenCache).toMatchObject({ hits: 2, misses: 2, entries: 2 });
  expect(tokenCache.bytes).toBeGreaterThan(tokens.join('').length);
  expect(tokenCache.maxBytes).toBeGreaterThan(0.9 * tokenCacheBytes);
  expect(tokenCache.maxBytes).toBeLessThanOrEqual(tokenCacheBytes);
  // As index.d.ts says of the default.
  expect((2 * 16_777_216) / tokenCache.bytes).toBeGreaterThan(6_500);

  const off = new StackAuth({ ...issuer.options, tokenCacheBytes: 0 });
  await off.verifyJwt(tokens[0]);
  const none = { hits: 0, misses: 0, entries: 0, bytes: 0, maxBytes: 0 };
  expect(off.stats().tokenCache).toEqual(none);
});

test('the cache of users tells of the same', async () => {
  const issuer = await startIssuer();
  const client = new StackAuth(issuer.options);
  const token = await issuer.mint();
  const before = client.stats().userCache;
  await client.getUser(token); // asks for itself
  expect(client.stats().userCache).toEqual(before);
  await Promise.all([1, 2, 3].map(() => client.getUser(token, { maxAge: 60_000 })));
  await client.getUser(token, { maxAge: 60_000 });
  const { hits, misses, entries, bytes } = client.stats().userCache;
  expect(misses - before.misses).toBe(1);
  expect(hits - before.hits).toBe(3);
  expect(entries - before.entries).toBe(1);
  expect(bytes - before.bytes).toBeGreaterThan(token.length);
});

test('it is told when keys were last fetched, whatever came of it', async () => {
  const issuer = await startIssuer();
  const client = new StackAuth({ ...issuer.options, cacheMaxAge: 1 });
  expect(client.stats().keys).not.toHaveProperty('lastFetchAt');
  const times = [];
  for (const intercept of [
    undefined,
    (_: unknown, response: any) => response.writeHead(500).end(),
  ]) {
    issuer.intercept = intercept as any;
    const start = Date.now();
    await client.warmUp();
    await sleep(5);
    expect(client.stats().keys.lastFetchAt).toBeGreaterThanOrEqual(start);
    times.push(client.stats().keys.lastFetchAt);
    expect(times.at(-1)).toBeLessThanOrEqual(Date.now());
  }
  expect(client.stats().keys).toMatchObject({ fetches: 2, failedFetches: 1, lastError: DOWN.code });
});

test('equal options are counted together, in whatever order they are given', async () => {
  const issuer = await startIssuer();
  const [one, ...others] = Object.entries(issuer.options);
  const client = new StackAuth(Object.fromEntries([...others, one!]));
  await new StackAuth(issuer.options).verifyJwt(await issuer.mint());
  expect(client.stats().verifications.new).toBe(1);
});
