import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, test } from 'vitest';
import { StackAuth, verifyJwt } from '../index.js';
import {
  answerKeys,
  DOWN,
  failure,
  gate,
  hold,
  keysOfAge,
  startIssuer,
  statsOf,
  status,
  times,
  UNKNOWN_KEY,
  USER_ID,
  until,
  withKid,
} from './support/cache-issuer.js';
import { sendJson } from './support/stand-in.js';

describe('a cold crowd', () => {
  test('of 200 costs one fetch', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const open = hold(issuer, 'jwks');
    const calls = times(200, (index) =>
      index % 2
        ? verifyJwt(token, issuer.options)
        : new StackAuth({ ...issuer.options, timeout: 5_000 + index }).verifyJwt(token),
    );
    open();
    for (const { payload } of await Promise.all(calls)) {
      expect(payload.sub).toBe(USER_ID);
    }
    expect(issuer.jwksRequests).toBe(1);
  });

  test('with tokens of other user types has key sets of its own', async () => {
    const issuer = await startIssuer();
    const tokens = {
      regular: await issuer.mint(),
      restricted: await issuer.mint({ type: 'restricted' }),
      anonymous: await issuer.mint({ type: 'anonymous' }),
    };
    await verifyJwt(tokens.regular, issuer.options);
    await verifyJwt(tokens.restricted, { ...issuer.options, allowRestricted: true });
    await verifyJwt(tokens.anonymous, { ...issuer.options, allowAnonymous: true });
    await verifyJwt(tokens.regular, { ...issuer.options, allowAnonymous: true });
    const queries = issuer.requests.map(({ url }) => url?.split('?')[1]);
    expect(queries).toEqual([undefined, 'include_restricted=true', 'include_anonymous=true']);
  });
});

describe('a kid that is not in the set', () => {
  const random = (token: string) =>
    times(500, (index) => withKid(token, `random-${index}-${Math.random()}`));

  test.each([
    ['warm', 'concurrent'],
    ['warm', 'sequential'],
    ['cold', 'concurrent'],
    ['cold', 'sequential'],
  ])('times 500, %s and %s, costs two fetches at most', async (temperature, order) => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    if (temperature === 'warm') {
      await verifyJwt(token, issuer.options);
    }
    const before = issuer.jwksRequests;

    const errors = [];
    for (const unknown of random(token)) {
      const error = failure(verifyJwt(unknown, issuer.options));
      errors.push(order === 'sequential' ? await error : error);
    }
    for (const error of await Promise.all(errors)) {
      expect(error).toMatchObject(UNKNOWN_KEY);
    }
    expect(issuer.jwksRequests - before).toBeLessThanOrEqual(2);

    await verifyJwt(token, issuer.options);
    expect(issuer.jwksRequests - before).toBeLessThanOrEqual(2);
  });

  test('costs no fetch if the claims refuse the token anyway, and uses nothing up', async () => {
    const [issuer, other] = [await startIssuer(), await startIssuer()];
    await verifyJwt(await issuer.mint(), issuer.options);
    const foreign = await other.mint();
    for (const token of times(5, (round) => withKid(foreign, `unknown-${round}`))) {
      expect(await failure(verifyJwt(token, issuer.options))).toMatchObject(UNKNOWN_KEY);
    }
    expect(issuer.jwksRequests).toBe(1);
    issuer.rotate();
    await verifyJwt(await issuer.mint(), issuer.options);
    expect(issuer.jwksRequests).toBe(2);
  });

  test('costs one for an expired token, which may be of a new key', async () => {
    const issuer = await startIssuer();
    await verifyJwt(await issuer.mint(), issuer.options);
    issuer.rotate();
    const expired = await issuer.mint({ expiresIn: -60 });
    expect(await failure(verifyJwt(expired, issuer.options))).toMatchObject({
      code: 'ERR_JWT_EXPIRED',
    });
    expect(issuer.jwksRequests).toBe(2);
  });

  test('of another project says so', async () => {
    const [issuer, other] = [await startIssuer(), await startIssuer()];
    await verifyJwt(await issuer.mint(), issuer.options);
    const { message } = await failure(verifyJwt(await other.mint(), issuer.options));
    expect(message).toContain('found none with the kid "');
    expect(message).toContain(`expected "${issuer.url}/api/v1/projects/${issuer.projectId}"`);
    expect(message).toContain(`found "${other.url}/api/v1/projects/${other.projectId}"`);
    const own = withKid(await issuer.mint(), 'another');
    expect((await failure(verifyJwt(own, issuer.options))).message).not.toContain('besides');
  });

  test('is not repeated where it is a token', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const { message } = await failure(verifyJwt(withKid(token, token), issuer.options));
    expect(message).toContain('found none with the kid ""…');
  });

  test('is remembered as unknown', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await verifyJwt(token, issuer.options);
    const unknown = withKid(token, 'unknown');
    for (const call of times(50, () => () => verifyJwt(unknown, issuer.options))) {
      expect(await failure(call())).toMatchObject(UNKNOWN_KEY);
    }
    expect(issuer.jwksRequests).toBe(2);
  });

  test('that is too long to be remembered costs one fetch', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await verifyJwt(token, issuer.options);
    const long = withKid(token, 'x'.repeat(300));
    expect(await failure(verifyJwt(long, issuer.options))).toMatchObject(UNKNOWN_KEY);
    expect(issuer.jwksRequests).toBe(2);
  });

  test('is asked about once more if the fetch that was under way may have been too early', async () => {
    const issuer = await startIssuer();
    const early = await issuer.keySet();
    const { open, opened } = gate();
    answerKeys(issuer, async (_request, response) => {
      if (issuer.jwksRequests > 1) {
        return false;
      }
      await opened;
      sendJson(response, 200, early);
    });
    const before = verifyJwt(await issuer.mint(), issuer.options);
    await until(() => issuer.jwksRequests === 1);
    issuer.rotate();
    const after = verifyJwt(await issuer.mint(), issuer.options);
    open();
    await Promise.all([before, after]);
    expect(issuer.jwksRequests).toBe(2);
  });
});

describe('a rotation', () => {
  test('is noticed at once, even right after a fetch', async () => {
    const issuer = await startIssuer();
    const old = await issuer.mint();
    await verifyJwt(old, issuer.options);
    issuer.rotate();
    const token = await issuer.mint();
    await Promise.all(times(50, () => verifyJwt(token, issuer.options)));
    await verifyJwt(old, issuer.options);
    expect(issuer.jwksRequests).toBe(2);
  });

  test('may follow another one', async () => {
    const issuer = await startIssuer();
    await verifyJwt(await issuer.mint(), issuer.options);
    for (const fetches of [2, 3]) {
      issuer.rotate();
      await verifyJwt(await issuer.mint(), issuer.options);
      expect(issuer.jwksRequests).toBe(fetches);
    }
  });

  test('is noticed for a token with an nbf, too', async () => {
    const issuer = await startIssuer();
    await verifyJwt(await issuer.mint(), issuer.options);
    issuer.rotate();
    const nbf = Math.floor(Date.now() / 1_000) - 60;
    await verifyJwt(await issuer.mint({ claims: { nbf } }), issuer.options);
    expect(issuer.jwksRequests).toBe(2);
  });

  test('that withdraws the old key is final with the next refresh', async () => {
    const issuer = await startIssuer();
    const old = await issuer.mint();
    await verifyJwt(old, issuer.options);
    issuer.rotate({ withdraw: true });
    await verifyJwt(old, issuer.options);
    expect(issuer.jwksRequests, 'still fresh').toBe(1);

    await sleep(2);
    const refreshed = await failure(verifyJwt(old, { ...issuer.options, cacheMaxAge: 1 }));
    expect(refreshed).toMatchObject(UNKNOWN_KEY);
    expect(await failure(verifyJwt(old, issuer.options))).toMatchObject(UNKNOWN_KEY);
    await verifyJwt(await issuer.mint(), issuer.options);
    expect(issuer.jwksRequests).toBe(2);
  });
});

describe('the age of a set', () => {
  test('costs nothing before the last fifth of freshness', async () => {
    const issuer = await startIssuer();
    const keys = await keysOfAge(issuer, 400_000);
    await verifyJwt(await issuer.mint(), { ...issuer.options, keys });
    expect(statsOf(issuer).fetches).toBe(0);
  });

  test('is renewed in the last fifth, without making anyone wait', async () => {
    const issuer = await startIssuer();
    const keys = await keysOfAge(issuer, 540_000);
    const token = await issuer.mint();
    const open = hold(issuer, 'jwks');
    for (const options of times(10, () => ({ ...issuer.options, keys }))) {
      await verifyJwt(token, options);
    }
    expect(statsOf(issuer)).toMatchObject({
      fetches: 1,
      age: expect.toSatisfy((ms) => ms >= 540_000),
    });
    open();
    await until(() => Number(statsOf(issuer).age) < 540_000);
    await verifyJwt(token, issuer.options);
    expect(issuer.jwksRequests).toBe(1);
  });

  test('matters to nobody if the renewal fails', async () => {
    const issuer = await startIssuer();
    const options = { ...issuer.options, keys: await keysOfAge(issuer, 540_000) };
    const token = await issuer.mint();
    answerKeys(issuer, status(500));
    await verifyJwt(token, options);
    await until(() => statsOf(issuer).failedFetches === 1);
    await verifyJwt(token, options);
  });

  test('past freshness makes all wait for one refresh', async () => {
    const issuer = await startIssuer();
    const options = { ...issuer.options, keys: await keysOfAge(issuer, 700_000) };
    issuer.rotate();
    const token = await issuer.mint();
    await Promise.all(times(20, () => verifyJwt(token, options)));
    expect(issuer.jwksRequests).toBe(1);
  });
});

describe('an ETag', () => {
  test('is sent back, and 304 means that the set is as good as new', async () => {
    const issuer = await startIssuer();
    answerKeys(issuer, async ({ headers }, response) => {
      const etag = `"${issuer.secrets.length}"`;
      if (headers['if-none-match'] === etag) {
        response.writeHead(304).end();
      } else {
        sendJson(response, 200, await issuer.keySet(), { etag });
      }
    });
    const client = new StackAuth(issuer.options);
    const refetch = async () => client.verifyJwt(await issuer.mint(), { cacheMaxAge: 0 });

    await refetch();
    const uat = Number(client.exportKeys()?.uat);
    await sleep(5);
    await refetch();
    expect(client.exportKeys()?.uat).toBeGreaterThan(uat);
    await refetch();
    issuer.rotate();
    await refetch();
    await refetch();
    const sent = issuer.requests.map(({ headers }) => headers['if-none-match']);
    expect(sent).toEqual([undefined, '"1"', '"1"', '"1"', '"2"']);
    expect(client.stats().keys).toMatchObject({ fetches: 5, failedFetches: 0 });
  });

  test('that is larger than a header should be is not sent back', async () => {
    const issuer = await startIssuer();
    answerKeys(issuer, async (_request, response) =>
      sendJson(response, 200, await issuer.keySet(), { etag: `"${'x'.repeat(2_048)}"` }),
    );
    for (const options of times(2, () => ({ ...issuer.options, cacheMaxAge: 0 }))) {
      await verifyJwt(await issuer.mint(), options);
    }
    const sent = issuer.requests.map(({ headers }) => headers['if-none-match']);
    expect(sent).toEqual([undefined, undefined]);
  });

  test('that was never given makes a 304 nonsense', async () => {
    const issuer = await startIssuer();
    answerKeys(issuer, status(304));
    expect(await failure(verifyJwt(await issuer.mint(), issuer.options))).toMatchObject(DOWN);

    const other = await startIssuer();
    await verifyJwt(await other.mint(), other.options);
    answerKeys(other, status(304));
    await verifyJwt(await other.mint(), { ...other.options, cacheMaxAge: 0 });
    expect(statsOf(other)).toMatchObject({ fetches: 2, failedFetches: 1 });
  });
});

describe('Cache-Control', () => {
  test.each(['no-store', 'no-cache, max-age=0', 'max-age=0', 'public, max-age=5', 'max-age=x'])(
    '%s never makes every call a fetch',
    async (header) => {
      const issuer = await startIssuer();
      const token = await issuer.mint();
      answerKeys(issuer, async (_request, response) =>
        sendJson(response, 200, await issuer.keySet(), { 'cache-control': header }),
      );
      await verifyJwt(token, issuer.options);
      await sleep(20);
      await verifyJwt(token, issuer.options);
      expect(statsOf(issuer).fetches).toBe(1);
    },
  );

  test('with a longer time does not put cacheMaxAge off', async () => {
    const issuer = await startIssuer();
    const options = { ...issuer.options, cacheMaxAge: 10 };
    const token = await issuer.mint();
    await verifyJwt(token, options);
    await sleep(15);
    await verifyJwt(token, options);
    expect(issuer.jwksRequests).toBe(2);
  });
});
