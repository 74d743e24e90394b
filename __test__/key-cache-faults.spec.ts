import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { getUser, StackAuth, verifyJwt } from '../index.js';
import {
  acceptConnections,
  answerKeys,
  backOffOf,
  DOWN,
  failure,
  hang,
  keysOfAge,
  permittedFetches,
  refuseConnections,
  startIssuer,
  statsOf,
  status,
  times,
  UNKNOWN_KEY,
  until,
  withKid,
} from './support/cache-issuer.js';
import { timed } from './support/lateness.js';
import { type StandIn, sendJson } from './support/stand-in.js';

const NO_PROJECT = { code: 'ERR_CONFIG', status: 500, retryable: false };

/** After the fault is gone and the back-off is over, all is well again. */
async function recovers(issuer: StandIn) {
  issuer.intercept = undefined;
  await backOffOf(issuer);
  await verifyJwt(await issuer.mint(), issuer.options);
  const { failuresInARow, lastError, nextAttemptIn } = statsOf(issuer);
  expect([failuresInARow, lastError, nextAttemptIn]).toEqual([0, undefined, undefined]);
}

describe('an outage', () => {
  test('leaves a cold cache with nothing to go by', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await refuseConnections(issuer);
    const error = await failure(verifyJwt(token, issuer.options));
    expect(error).toMatchObject({ ...DOWN, cause: { message: expect.stringMatching(/refused/i) } });
    await acceptConnections(issuer);
    await recovers(issuer);
  });

  test('leaves known keys good, past their freshness too', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const options = { ...issuer.options, keys: await keysOfAge(issuer, 700_000) };
    await refuseConnections(issuer);
    await verifyJwt(token, options);
    await verifyJwt(token, options);
    expect(statsOf(issuer).failuresInARow).toBeGreaterThan(0);

    await acceptConnections(issuer);
    await backOffOf(issuer);
    await verifyJwt(token, options);
    await until(() => statsOf(issuer).failuresInARow === 0);
  });

  test('fails closed with staleIfError 0', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await verifyJwt(token, issuer.options);
    await refuseConnections(issuer);
    const options = { ...issuer.options, cacheMaxAge: 10, staleIfError: 0 };
    await sleep(15);
    expect(await failure(verifyJwt(token, options))).toMatchObject(DOWN);
    expect(await failure(verifyJwt(token, options)), 'while backing off').toMatchObject(DOWN);
  });

  test('that outlasts staleIfError makes known keys unknown', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await verifyJwt(token, issuer.options);
    await refuseConnections(issuer);
    const options = { ...issuer.options, cacheMaxAge: 10, staleIfError: 2_990 };
    await sleep(15);
    await verifyJwt(token, options);
    await until(() => Number(statsOf(issuer).age) >= 3_000);
    expect(await failure(verifyJwt(token, options))).toMatchObject(DOWN);
  });

  test('counts for keys from outside by their age', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const keys = await keysOfAge(issuer, 4_300_000);
    await refuseConnections(issuer);
    expect(await failure(verifyJwt(token, { ...issuer.options, keys }))).toMatchObject(DOWN);
  });

  test('makes a kid that is not in the set nobody’s fault', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await verifyJwt(token, issuer.options);
    await refuseConnections(issuer);
    const start = performance.now();
    for (const unknown of times(50, (index) => withKid(token, `unknown-${index}`))) {
      expect(await failure(verifyJwt(unknown, issuer.options))).toMatchObject(DOWN);
    }
    const permitted = permittedFetches(performance.now() - start);
    expect(statsOf(issuer).failedFetches).toBeLessThanOrEqual(permitted);
    await verifyJwt(token, issuer.options);
  });

  test('that hangs makes only the first callers wait for stale keys', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const keys = await keysOfAge(issuer, 700_000);
    answerKeys(issuer, hang);
    const options = { ...issuer.options, keys, timeout: 300 };
    await verifyJwt(token, options);
    const [, millis] = await timed(async () => {
      for (const call of times(20, () => () => verifyJwt(token, options))) {
        await call();
      }
    });
    expect(millis).toBeLessThan(3 * 300);
  });

  test('of one empty answer is over with the next', async () => {
    const issuer = await startIssuer();
    const options = { ...issuer.options, cacheMaxAge: 50 };
    const token = await issuer.mint();
    await verifyJwt(token, options);
    answerKeys(issuer, (_request, response) => sendJson(response, 200, { keys: [] }));
    await sleep(60);
    await expect(verifyJwt(token, options)).rejects.toMatchObject({ status: 401 });
    issuer.intercept = undefined;
    await expect(verifyJwt(token, options)).resolves.toBeDefined();
  });

  test.each([[[]], [[null]], [[{ kty: 'RSA' }]]])(
    'of %j is nothing to warm up with',
    async (keys) => {
      const issuer = await startIssuer();
      const client = new StackAuth(issuer.options);
      answerKeys(issuer, (_request, response) => sendJson(response, 200, { keys }));
      await expect(client.warmUp()).rejects.toMatchObject({
        code: 'ERR_JWKS_INVALID',
        status: 503,
        message: expect.stringContaining(`found none; it was asked for at ${issuer.url}/`),
      });
    },
  );

  test('of empty answers leaves the budget for the rotation after it', async () => {
    const issuer = await startIssuer();
    const client = new StackAuth(issuer.options);
    answerKeys(issuer, (_request, response) => sendJson(response, 200, { keys: [] }));
    const token = await issuer.mint();
    for (const pause of [0, 0, 850, 850, 1_050]) {
      await expect(client.verifyJwt(token)).rejects.toMatchObject(UNKNOWN_KEY);
      await sleep(pause);
    }
    answerKeys(issuer, status(503));
    await expect(client.warmUp()).rejects.toMatchObject(DOWN);
    issuer.intercept = undefined;
    await vi.waitFor(() => client.verifyJwt(token), { timeout: 5_000, interval: 100 });
    issuer.rotate();
    await client.verifyJwt(await issuer.mint());
  });

  test('leaves the budget for the rotation that came with it', async () => {
    const issuer = await startIssuer();
    await verifyJwt(await issuer.mint(), issuer.options);
    issuer.rotate();
    const token = await issuer.mint();
    answerKeys(issuer, status(503));
    for (const _ of times(4, () => {})) {
      await expect(verifyJwt(token, issuer.options)).rejects.toMatchObject({ status: 503 });
      await sleep(300);
    }
    issuer.intercept = undefined;
    await vi.waitFor(() => verifyJwt(token, issuer.options), { timeout: 5_000, interval: 100 });
  });
});

describe('back-off', () => {
  test('makes 50 calls few fetches, and the calls in between fail at once', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    answerKeys(issuer, async (_request, response) => {
      await sleep(50);
      response.writeHead(500).end();
    });
    const atOnce = [];
    const start = performance.now();
    for (const call of times(50, () => () => failure(verifyJwt(token, issuer.options)))) {
      const { fetches } = statsOf(issuer);
      const [error, millis] = await timed(call);
      expect(error).toMatchObject(DOWN);
      if (statsOf(issuer).fetches === fetches) {
        atOnce.push(millis);
      }
      await sleep(5);
    }
    expect(issuer.jwksRequests).toBeGreaterThan(1);
    expect(issuer.jwksRequests).toBeLessThanOrEqual(permittedFetches(performance.now() - start));
    const median = atOnce.toSorted((one, other) => one - other)[Math.floor(atOnce.length / 2)];
    expect(median).toBeLessThan(10);
    await recovers(issuer);
  });

  test('that an impatient caller began does not hold back a patient one', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    answerKeys(issuer, hang);
    const impatient = { ...issuer.options, timeout: 50 };
    expect((await failure(verifyJwt(token, impatient))).code).toBe('ERR_JWKS_TIMEOUT');
    await until(() => statsOf(issuer).failedFetches === 1);
    answerKeys(issuer, async () => {
      await sleep(200);
      return false;
    });
    await expect(verifyJwt(token, issuer.options)).resolves.toBeDefined();
  });

  test('that impatient callers keep up leaves no patient one with withdrawn keys', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const keys = await keysOfAge(issuer, 700_000);
    answerKeys(issuer, async (_request, response) => {
      await sleep(200);
      sendJson(response, 200, { keys: [] });
    });
    const options = { ...issuer.options, keys };
    const impatient = setInterval(() => {
      verifyJwt(token, { ...options, timeout: 20 }).catch(() => {});
    }, 1);
    onTestFinished(() => clearInterval(impatient));
    await until(() => statsOf(issuer).failedFetches > 0);
    await vi.waitFor(
      async () => expect(await failure(verifyJwt(token, options))).toMatchObject(UNKNOWN_KEY),
      { timeout: 5_000 },
    );
  });

  test('that an impatient caller began makes no patient one wait for known keys', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const options = { ...issuer.options, keys: await keysOfAge(issuer, 700_000) };
    answerKeys(issuer, hang);
    await verifyJwt(token, { ...options, timeout: 20 });
    const [, millis] = await timed(() =>
      Promise.all(times(20, (n) => verifyJwt(token, { ...options, timeout: 1_000 + 100 * n }))),
    );
    expect(millis).toBeLessThan(900);
    for (const unknown of times(3, (n) => withKid(token, `unknown-${n}`))) {
      const asked = getUser(unknown, { ...options, timeout: 300 });
      expect(await failure(asked)).toMatchObject({ code: 'ERR_JWKS_TIMEOUT' });
    }
    expect(issuer.userRequests).toBe(0);
  });

  test.each(['cold', 'warm'])('is known when a %s caller is told of a failure', async (cache) => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    if (cache === 'warm') await verifyJwt(token, issuer.options);
    answerKeys(issuer, hang);
    const late = verifyJwt(withKid(token, 'unknown'), { ...issuer.options, timeout: 50 });
    expect((await failure(late)).code).toBe('ERR_JWKS_TIMEOUT');
    const { lastError, failuresInARow, nextAttemptIn } = statsOf(issuer);
    expect([lastError, failuresInARow]).toEqual(['ERR_JWKS_TIMEOUT', 1]);
    expect(nextAttemptIn).toBeGreaterThan(50);

    issuer.intercept = undefined;
    await sleep(Number(nextAttemptIn) + 5);
    await expect(verifyJwt(token, issuer.options)).resolves.toBeDefined();
  });

  test('is in the Retry-After of each error', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await refuseConnections(issuer);
    await vi.waitUntil(
      async () => {
        const asked = performance.now();
        const { headers } = await failure(verifyJwt(token, issuer.options));
        const wait = statsOf(issuer).nextAttemptIn ?? 0;
        const gone = performance.now() - asked + 1;
        const told = Number(headers['Retry-After']);
        expect(told).toBeGreaterThanOrEqual(Math.max(1, Math.ceil(wait / 1_000)));
        expect(told).toBeLessThanOrEqual(Math.max(1, Math.ceil((wait + gone) / 1_000)));
        return told > 1;
      },
      { interval: 50, timeout: 20_000 },
    );
  });

  test('lets a concurrent crowd fail with one fetch', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    answerKeys(issuer, status(500));
    const errors = times(50, () => failure(verifyJwt(token, issuer.options)));
    for (const error of await Promise.all(errors)) {
      expect(error).toMatchObject(DOWN);
    }
    expect(issuer.jwksRequests).toBe(1);
  });
});

describe('an answer with status', () => {
  test('404 means that the operator has named no project', async () => {
    const issuer = await startIssuer();
    const options = { ...issuer.options, projectId: 'unknown' };
    const token = await issuer.mint({ projectId: 'unknown' });
    const start = performance.now();
    expect(await failure(verifyJwt(token, options))).toMatchObject(NO_PROJECT);
    expect(await failure(verifyJwt(token, options)), 'backing off').toMatchObject(NO_PROJECT);
    expect(issuer.jwksRequests).toBeLessThanOrEqual(permittedFetches(performance.now() - start));
  });

  test.each([201, 204, 400, 401, 403, 429, 500, 502, 503])('%d is no set', async (code) => {
    const issuer = await startIssuer();
    answerKeys(issuer, async (_request, response) =>
      sendJson(response, code, await issuer.keySet()),
    );
    expect(await failure(verifyJwt(await issuer.mint(), issuer.options))).toMatchObject(DOWN);
  });

  test('404 leaves known keys good', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await verifyJwt(token, issuer.options);
    answerKeys(issuer, status(404));
    await verifyJwt(token, { ...issuer.options, cacheMaxAge: 0 });
  });
});
