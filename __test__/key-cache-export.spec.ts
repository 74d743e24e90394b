import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, test } from 'vitest';
import { type ExportedKeys, StackAuth, type StackAuthOptions, verifyJwt } from '../index.js';
import {
  answerKeys,
  backOffOf,
  DOWN,
  failure,
  gate,
  keysOfAge,
  refuseConnections,
  startIssuer,
  statsOf,
  times,
  UNKNOWN_KEY,
  until,
} from './support/cache-issuer.js';
import { type StandIn, sendJson } from './support/stand-in.js';
import { newSigner, sign } from './support/tokens.js';

const payloadOf = (token: string) => Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();

describe('warmUp', () => {
  test('fetches once, before the first token comes', async () => {
    const issuer = await startIssuer();
    const client = new StackAuth(issuer.options);
    await Promise.all([client.warmUp(), client.warmUp()]);
    await client.warmUp();
    await client.verifyJwt(await issuer.mint());
    expect(issuer.jwksRequests).toBe(1);
  });

  test('rejects if there are no keys to be had', async () => {
    const issuer = await startIssuer();
    await refuseConnections(issuer);
    expect(await failure(new StackAuth(issuer.options).warmUp())).toMatchObject(DOWN);
  });

  test('has nothing to do where keys were handed in', async () => {
    const issuer = await startIssuer();
    const keys = await keysOfAge(issuer, 1_000);
    await new StackAuth({ ...issuer.options, keys }).warmUp();
    expect(statsOf(issuer).fetches).toBe(0);
  });
});

describe('exportKeys', () => {
  test('hands out no set without keys', async () => {
    const issuer = await startIssuer();
    answerKeys(issuer, (_request, response) => sendJson(response, 200, { keys: [] }));
    const client = new StackAuth(issuer.options);
    await expect(client.verifyJwt(await issuer.mint())).rejects.toMatchObject(UNKNOWN_KEY);
    expect(client.exportKeys()).toBeUndefined();
  });

  test('gives nothing before a fetch, and then what came and when', async () => {
    const issuer = await startIssuer();
    const client = new StackAuth(issuer.options);
    expect(client.exportKeys()).toBeUndefined();
    const earliest = Date.now();
    await client.warmUp();
    const keys = client.exportKeys();
    expect(keys?.jwks).toEqual(await issuer.keySet());
    expect(keys?.uat).toBeGreaterThanOrEqual(earliest);
    expect(keys?.uat).toBeLessThanOrEqual(Date.now());
  });

  test('is not upset by a byte order mark', async () => {
    const issuer = await startIssuer();
    answerKeys(issuer, async (_request, response) =>
      response.end(`\ufeff${JSON.stringify(await issuer.keySet())}`),
    );
    const client = new StackAuth(issuer.options);
    await client.verifyJwt(await issuer.mint());
    expect(client.exportKeys()?.jwks).toEqual(await issuer.keySet());
  });
});

describe('exported keys', () => {
  test('serve an address that was never asked, also after a way through JSON', async () => {
    const source = await startIssuer();
    const client = new StackAuth(source.options);
    await client.warmUp();
    const keys = JSON.parse(JSON.stringify(client.exportKeys()));

    const issuer = await startIssuer();
    issuer.projectId = source.projectId;
    await verifyJwt(await issuer.mint(), { ...issuer.options, keys });
    expect(statsOf(issuer)).toMatchObject({ fetches: 0, kids: client.stats().keys.kids });
    expect(issuer.requests).toEqual([]);
  });

  describe('of a client', () => {
    test.each<[string, (other: StandIn) => StackAuthOptions]>([
      ['project', ({ options }) => options],
      ['server', ({ options: { baseUrl } }) => ({ baseUrl })],
    ])('are not those of another %s that a call is about', async (what, perCall) => {
      const [issuer, other] = [await startIssuer(), await startIssuer()];
      if (what === 'server') {
        other.projectId = issuer.projectId;
      }
      const signer = newSigner('of-the-client');
      const signed = (payload: string) =>
        sign({ alg: 'ES256', kid: signer.jwk.kid }, payload, signer);
      const keys = { jwks: { keys: [signer.jwk] }, uat: Date.now() };
      const client = new StackAuth({ ...issuer.options, keys });

      const good = await other.mint();
      const forged = signed(payloadOf(good));
      const options = perCall(other);
      await expect(client.verifyJwt(forged, options)).rejects.toMatchObject(UNKNOWN_KEY);
      await expect(verifyJwt(forged, other.options)).rejects.toMatchObject(UNKNOWN_KEY);
      await client.verifyJwt(good, options);
      expect(statsOf(other).kids).toEqual((await other.keySet()).keys.map(({ kid }) => kid));
      await client.verifyJwt(signed(payloadOf(await issuer.mint())));
      expect(issuer.requests).toEqual([]);
    });

    test('leave the set of another user type as it was', async () => {
      const issuer = await startIssuer();
      const options = { ...issuer.options, allowRestricted: true };
      const token = await issuer.mint({ type: 'restricted' });
      await verifyJwt(token, options);
      await sleep(5);
      const client = new StackAuth({ ...issuer.options, keys: await keysOfAge(issuer, 0) });
      await refuseConnections(issuer);
      await expect(client.verifyJwt(token, { allowRestricted: true })).resolves.toBeDefined();
    });

    test('may also come with a call', async () => {
      const issuer = await startIssuer();
      const keys = await keysOfAge(issuer, 0);
      await new StackAuth(issuer.options).verifyJwt(await issuer.mint(), { keys });
      expect(issuer.requests).toEqual([]);
    });

    test('serve its calls, whatever else they are about', async () => {
      const issuer = await startIssuer();
      const client = new StackAuth({ ...issuer.options, keys: await keysOfAge(issuer, 0) });
      await client.verifyJwt(await issuer.mint(), { clockTolerance: 1 });
      expect(issuer.requests).toEqual([]);
    });
  });

  test('that are stale are refreshed', async () => {
    const issuer = await startIssuer();
    const keys = await keysOfAge(issuer, 700_000);
    await verifyJwt(await issuer.mint(), { ...issuer.options, keys });
    expect(issuer.jwksRequests).toBe(1);
    expect(statsOf(issuer).age).toBeLessThan(600_000);
  });

  test('from the future are no fresher than those of now', async () => {
    const issuer = await startIssuer();
    const keys = await keysOfAge(issuer, -3_600_000);
    new StackAuth({ ...issuer.options, keys });
    await sleep(15);
    await verifyJwt(await issuer.mint(), { ...issuer.options, cacheMaxAge: 10 });
    expect(issuer.jwksRequests).toBe(1);
  });

  test('of the same age are the latest, if they are others', async () => {
    const issuer = await startIssuer();
    const { jwks, uat } = await keysOfAge(issuer, 0);
    await verifyJwt(await issuer.mint(), { ...issuer.options, keys: { jwks, uat } });
    issuer.rotate({ withdraw: true });
    const keys = { jwks: (await keysOfAge(issuer, 0)).jwks, uat };
    await verifyJwt(await issuer.mint(), { ...issuer.options, keys });
    expect(issuer.requests).toEqual([]);
  });

  test('count each time that they are handed over', async () => {
    const issuer = await startIssuer();
    const uat = Date.now() - 1_000;
    const [one, two] = ['one', 'two'].map((kid) => {
      const signer = newSigner(kid);
      return { signer, keys: { jwks: { keys: [signer.jwk] }, uat } };
    });
    const payload = payloadOf(await issuer.mint());
    for (const { signer, keys } of [one, two, one, two] as NonNullable<typeof one>[]) {
      const token = sign({ alg: 'ES256', kid: signer.jwk.kid }, payload, signer);
      await verifyJwt(token, { ...issuer.options, keys });
    }
    expect(issuer.requests).toEqual([]);
  });

  test.each([-1e308, -1, 9e15, 1e308])('of a time of %s do no harm', async (uat) => {
    const issuer = await startIssuer();
    const { jwks } = await keysOfAge(issuer, 0);
    const client = new StackAuth({ ...issuer.options, keys: { jwks, uat }, staleIfError: 0 });
    expect(client.exportKeys()?.uat).toBeLessThanOrEqual(Date.now());
    issuer.rotate({ withdraw: true });
    await expect(client.verifyJwt(await issuer.mint())).resolves.toBeDefined();
    expect(client.exportKeys()?.jwks).toEqual(await issuer.keySet());
  });

  test('from the future bring no withdrawn key back', async () => {
    const issuer = await startIssuer();
    const keys = await keysOfAge(issuer, -300_000);
    const client = new StackAuth({ ...issuer.options, keys });
    const old = await issuer.mint();
    await client.verifyJwt(old);
    issuer.rotate({ withdraw: true });
    await client.verifyJwt(await issuer.mint());
    const again = client.verifyJwt(old, { clockTolerance: 1 });
    await expect(again).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
  });

  test('from the future bring none back when their time has come, if they come with each call', async () => {
    const issuer = await startIssuer();
    const options = { ...issuer.options, keys: await keysOfAge(issuer, -500) };
    const old = await issuer.mint();
    await verifyJwt(old, options);
    issuer.rotate({ withdraw: true });
    await verifyJwt(await issuer.mint(), options);
    await expect(verifyJwt(old, options)).rejects.toMatchObject(UNKNOWN_KEY);
    await sleep(550);
    await expect(verifyJwt(old, options)).rejects.toMatchObject(UNKNOWN_KEY);
  });

  test('do not replace newer ones', async () => {
    const issuer = await startIssuer();
    const old = await keysOfAge(issuer, 1_000);
    issuer.rotate({ withdraw: true });
    await verifyJwt(await issuer.mint(), issuer.options);
    const { kids } = statsOf(issuer);
    new StackAuth({ ...issuer.options, keys: old });
    expect(statsOf(issuer).kids).toEqual(kids);
  });

  test('do not replace themselves, and so leave what is known besides, as the ETag', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    answerKeys(issuer, async (_request, response) =>
      sendJson(response, 200, await issuer.keySet(), { etag: '"1"' }),
    );
    const client = new StackAuth(issuer.options);
    await client.warmUp();
    // More than once, for clocks do not tick together.
    for (const clockTolerance of times(30, (index) => index)) {
      new StackAuth({ ...issuer.options, clockTolerance, keys: client.exportKeys() });
      await client.verifyJwt(token, { cacheMaxAge: 0 });
      await sleep(1);
    }
    const sent = issuer.requests.slice(1).map(({ headers }) => headers['if-none-match']);
    expect(new Set(sent)).toEqual(new Set(['"1"']));
  });

  test('replace older ones', async () => {
    const issuer = await startIssuer();
    await verifyJwt(await issuer.mint(), issuer.options);
    issuer.rotate({ withdraw: true });
    await sleep(5);
    const keys = await keysOfAge(issuer, 0);
    await verifyJwt(await issuer.mint(), { ...issuer.options, keys });
    expect(issuer.jwksRequests).toBe(1);
  });

  test.each([
    ['of now stay', 0, true],
    ['of the future give way, for they may be older', 300_000, false],
  ])('%s when an answer comes that was asked for before', async (_, ahead, stays) => {
    const issuer = await startIssuer();
    const before = await issuer.keySet();
    const old = await issuer.mint();
    issuer.rotate({ withdraw: true });
    const [recent, other] = [await issuer.mint(), await issuer.mint()];
    const { open, opened } = gate();
    answerKeys(issuer, async (_request, response) => {
      await opened;
      sendJson(response, 200, before);
    });
    const client = new StackAuth(issuer.options);
    const waiting = [client.verifyJwt(recent), client.verifyJwt(old)];
    const all = Promise.allSettled(waiting);
    await until(() => issuer.jwksRequests === 1);
    await sleep(5);
    new StackAuth({ ...issuer.options, keys: await keysOfAge(issuer, -ahead) });
    await expect(client.verifyJwt(other)).resolves.toBeDefined();
    open();
    const [ofRecent, ofOld] = await all;
    expect(ofOld?.status, 'who waited has the answer').toBe('fulfilled');
    expect(ofRecent?.status).toBe(stays ? 'fulfilled' : 'rejected');
    expect(statsOf(issuer).kids).toEqual(
      (stays ? await issuer.keySet() : before).keys.map(({ kid }) => kid),
    );
  });
});

describe('stats', () => {
  test('tell of fetches, failures and ages', async () => {
    const issuer = await startIssuer();
    const url = `${issuer.url}/api/v1/projects/${issuer.projectId}/.well-known/jwks.json`;
    const none = { url, kids: [], fetches: 0, failedFetches: 0, failuresInARow: 0 };
    expect(statsOf(issuer)).toEqual(none);

    await verifyJwt(await issuer.mint(), issuer.options);
    const age = expect.toSatisfy((ms) => ms >= 0 && ms < 30_000);
    const kids = (await issuer.keySet()).keys.map(({ kid }) => kid);
    const lastFetchAt = expect.toSatisfy((at) => Math.abs(Date.now() - at) < 30_000);
    const warm = { ...none, kids, age, fetches: 1, lastFetchAt };
    expect(statsOf(issuer)).toEqual(warm);

    answerKeys(issuer, (_request, response) => sendJson(response, 200, 'nonsense'));
    await verifyJwt(await issuer.mint(), { ...issuer.options, cacheMaxAge: 0 });
    expect(statsOf(issuer)).toEqual({
      ...warm,
      fetches: 2,
      failedFetches: 1,
      failuresInARow: 1,
      lastError: 'ERR_JWKS_INVALID',
      nextAttemptIn: expect.toSatisfy((ms) => ms >= 0 && ms <= 250),
    });
    await backOffOf(issuer);
    expect(statsOf(issuer).nextAttemptIn).toBe(0);
  });
});

test.each<[string, (keys: ExportedKeys) => unknown]>([
  ['the set', (keys) => Object.assign(keys, { jwks: 'no set' })],
  ['a key of it', (keys) => Object.assign(keys.jwks.keys[0] ?? {}, { x: 'AA' })],
  ['the age', (keys) => Object.assign(keys, { uat: 0 })],
])(
  'a client has its keys as they were when it was made, whatever becomes of %s',
  async (_what, change) => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const first = new StackAuth(issuer.options);
    await first.warmUp();
    const keys = first.exportKeys()!;
    // Nobody has fetched from there, and nobody can.
    const baseUrl = `http://127.0.0.1:9/${randomUUID()}`;
    const client = new StackAuth({
      ...issuer.options,
      keys,
      baseUrl,
      issuerBaseUrls: [issuer.url],
    });
    change(keys);
    await expect(client.verifyJwt(token, { timeout: 999 })).resolves.toBeDefined();
  },
);
