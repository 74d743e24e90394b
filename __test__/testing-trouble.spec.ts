import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, test } from 'vitest';

import { StackAuth, verifyJwt } from '../index.js';
import type { OutageKind, StackAuthStandIn } from '../testing.js';
import { start } from './support/test-kit.js';

describe('a rotation', () => {
  test('signs with new keys, and the old ones count', async () => {
    const stack = await start();
    const client = new StackAuth(stack.options);
    const [before, kidBefore] = await kidOf(stack, client);
    stack.rotateKeys();
    const [after, kidAfter] = await kidOf(stack, client);
    expect(kidAfter).not.toBe(kidBefore);
    expect(client.stats().keys.fetches).toBe(2);
    expect(client.stats().keys.kids).toHaveLength(4);
    await client.getUser(before);
    await client.getUser(after);
  });

  test('that withdraws the old keys ends their tokens', async () => {
    const stack = await start();
    const client = new StackAuth(stack.options);
    const [before] = await kidOf(stack, client);
    stack.rotateKeys({ withdraw: true });
    await kidOf(stack, client);
    await expect(client.verifyJwt(before)).rejects.toMatchObject({
      code: 'ERR_JWKS_NO_MATCHING_KEY',
      status: 401,
    });
  });

  async function kidOf(stack: StackAuthStandIn, client: StackAuth) {
    const { accessToken } = stack.signIn();
    return [accessToken, (await client.verifyJwt(accessToken)).protectedHeader.kid] as const;
  }
});

describe('an outage', () => {
  const DOWN = { status: 503, retryable: true };

  test.each<[OutageKind, object, string, string]>([
    ['refuse', {}, 'ERR_JWKS_FETCH_FAILED', 'ERR_API_UNAVAILABLE'],
    ['hang', {}, 'ERR_JWKS_TIMEOUT', 'ERR_API_TIMEOUT'],
    ['error', {}, 'ERR_JWKS_FETCH_FAILED', 'ERR_API_UNAVAILABLE'],
    ['rateLimit', {}, 'ERR_JWKS_FETCH_FAILED', 'ERR_API_RATE_LIMITED'],
    ['rateLimit', { retryAfter: 60 }, 'ERR_JWKS_FETCH_FAILED', 'ERR_API_RATE_LIMITED'],
  ])('(%s, %j) is the fault of nobody who calls, and ends', async (kind, options, keys, api) => {
    const stack = await start();
    const client = new StackAuth(stack.options);
    // Only what hangs is to be waited for so long; the others may take longer on a busy machine.
    const during = kind === 'hang' ? { timeout: 800 } : { timeout: 20_000 };
    const { user, accessToken } = stack.signIn();
    const { baseUrl } = stack.options;
    await stack.outage(kind, options);
    await expect(client.verifyJwt(accessToken, during)).rejects.toMatchObject({
      ...DOWN,
      code: keys,
    });
    await expect(client.getUser(accessToken, during)).rejects.toMatchObject({ ...DOWN, code: api });
    expect(stack.requests.length > 0).toBe(kind !== 'refuse');

    await stack.recover();
    expect(stack.options.baseUrl).toBe(baseUrl);
    await sleep((client.stats().keys.nextAttemptIn ?? 0) + 5);
    await client.verifyJwt(accessToken);

    await stack.outage(kind, options);
    await client.verifyJwt(accessToken);
    await expect(client.getUser(accessToken, during)).rejects.toMatchObject({ ...DOWN, code: api });
    await stack.recover();
    expect(await client.getUser(accessToken)).toEqual(user);
  });

  test.each([
    ['refuse', undefined, undefined],
    ['error', 500, undefined],
    ['rateLimit', 429, '7'],
  ] as const)('of kind %s takes the place of another', async (kind, status, retryAfter) => {
    const stack = await start();
    for (const before of ['refuse', 'hang', 'error', 'rateLimit'] as const) {
      await stack.outage(before);
      await stack.outage(kind, { retryAfter: 7 });
      const response = await fetch(`${stack.options.baseUrl}/api/v1/users/me`).catch(() => null);
      expect(response?.status).toBe(status);
      expect(response?.headers.get('retry-after') ?? undefined).toBe(retryAfter);
    }
  });

  test('can be ended twice, or without having begun', async () => {
    const stack = await start();
    await stack.recover();
    await stack.outage('refuse');
    await stack.recover();
    await stack.recover();
    await verifyJwt(stack.signIn().accessToken, stack.options);
  });

  test('can begin and end at the same time as another, and as the stand-in stops', async () => {
    const stack = await start();
    const { baseUrl } = stack.options;
    await Promise.all([stack.outage('refuse'), stack.outage('error')]);
    expect((await fetch(baseUrl)).status).toBe(500);
    await Promise.all([stack.outage('refuse'), stack.outage('error'), stack.recover()]);
    await verifyJwt(stack.signIn().accessToken, stack.options);
    await stack.outage('refuse');
    await Promise.all([stack.recover(), stack.stop(), stack.recover(), stack.stop()]);
    await expect(fetch(baseUrl)).rejects.toThrow();
  });

  test('can be ending as the stand-in stops', async () => {
    for (const pause of [() => null, () => new Promise(process.nextTick)]) {
      const stack = await start();
      await stack.outage('refuse');
      const recovering = stack.recover();
      await pause();
      await stack.stop();
      await recovering;
      await expect(fetch(stack.options.baseUrl)).rejects.toThrow();
    }
  });

  test('can be ended later, where somebody else had its port for a while', async () => {
    const stack = await start();
    const { baseUrl } = stack.options;
    await stack.outage('refuse');
    const other = createServer().listen(Number(new URL(baseUrl).port), '127.0.0.1');
    await once(other, 'listening');
    await expect(stack.recover()).rejects.toMatchObject({ code: 'EADDRINUSE' });
    other.close();
    await once(other, 'close');
    await stack.recover();
    expect((await fetch(baseUrl)).status).toBe(404);
    await stack.stop();
    await expect(fetch(baseUrl)).rejects.toThrow();
  });

  test('of an unknown kind is an error', async () => {
    const stack = await start();
    await expect(stack.outage('toString' as OutageKind)).rejects.toThrow(TypeError);
    await expect(stack.outage('rateLimit', { retryafter: 1 } as object)).rejects.toThrow(TypeError);
    for (const retryAfter of [-1, 1.5, Number.NaN, '1' as unknown as number]) {
      const refused = stack.outage('rateLimit', { retryAfter });
      await expect(refused).rejects.toThrow('retryAfter must be a whole number');
    }
    expect(() => stack.rotateKeys({ withdrawn: true } as object)).toThrow(TypeError);
  });
});

test('a rate limit can say that it is over', async () => {
  const stack = await start();
  await stack.outage('rateLimit', { retryAfter: 0 });
  const response = await fetch(stack.options.baseUrl);
  expect([response.status, response.headers.get('retry-after')]).toEqual([429, '0']);
});

test('a rate limit that says nothing of when has no such header', async () => {
  const stack = await start();
  await stack.outage('rateLimit');
  const response = await fetch(stack.options.baseUrl);
  expect([response.status, response.headers.get('retry-after')]).toEqual([429, null]);
});
