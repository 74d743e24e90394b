import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { getUser, verifyJwt } from '../index.js';
import {
  answer,
  DOWN,
  failure,
  hang,
  keysOfAge,
  refuseConnections,
  startIssuer,
  status,
  withKid,
} from './support/cache-issuer.js';
import { timed } from './support/lateness.js';
import { type Response, type StandIn, sendJson, userOf } from './support/stand-in.js';

const UNAVAILABLE = { code: 'ERR_API_UNAVAILABLE', status: 503, retryable: true };
const LIMITED = { code: 'ERR_API_RATE_LIMITED', status: 503, retryable: true };

describe('a bad token is refused without a request for the user:', () => {
  const forge = (token: string) => {
    const [header, payload, signature] = token.split('.');
    return [header, payload, signature?.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))].join('.');
  };

  test.each<[string, string, (issuer: StandIn) => Promise<string>]>([
    ['expired', 'ERR_JWT_EXPIRED', (issuer) => issuer.mint({ expiresIn: -1 })],
    [
      'forged',
      'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
      async (issuer) => forge(await issuer.mint()),
    ],
    [
      'under an unknown key',
      'ERR_JWKS_NO_MATCHING_KEY',
      async (issuer) => withKid(await issuer.mint(), 'unknown'),
    ],
    [
      'of another issuer',
      'ERR_JWT_CLAIM_VALIDATION_FAILED',
      (issuer) => issuer.mint({ base: 'https://api.example.com' }),
    ],
    [
      'of a user type that is not allowed',
      'ERR_USER_TYPE_NOT_ALLOWED',
      (issuer) => issuer.mint({ type: 'anonymous' }),
    ],
  ])('%s', async (_what, code, mint) => {
    const issuer = await startIssuer();
    const error = await failure(getUser(await mint(issuer), issuer.options));
    expect(error).toMatchObject({ code, retryable: false });
    expect(error.status).toBe(code === 'ERR_USER_TYPE_NOT_ALLOWED' ? 403 : 401);
    expect(issuer.userRequests).toBe(0);
    const unkept = { ...issuer.options, cacheMaxAge: 0, staleIfError: 0 };
    expect(await failure(getUser(await mint(issuer), unkept))).toMatchObject({ code });
    expect(issuer.userRequests).toBe(0);
  });

  test.each<[string, (token: string) => string]>([
    ['garbage', () => 'garbage'],
    ['empty', () => ''],
    ['of nothing but dots', () => '..'],
    ['with a line feed', (token) => `${token}\nx-injected: 1`],
    ['with a whole header', (token) => `${token}\r\nx-injected: 1\r\n\r\n`],
    ['with a zero byte', (token) => `${token}\0`],
    ['with more than ASCII', (token) => token.replace('.', '.é')],
    ['after a scheme', (token) => `Bearer ${token}`],
    ['too long', (token) => token.padEnd(20_000, 'A')],
  ])('%s', async (_what, spoil) => {
    const issuer = await startIssuer();
    answer(issuer, '/', status(500));
    const error = await failure(getUser(spoil(await issuer.mint()), issuer.options));
    expect(error).toMatchObject({ code: 'ERR_JWS_INVALID', status: 401, retryable: false });
    expect(issuer.requests).toEqual([]);
  });
});

describe('where no keys are to be had, the API is asked all the same', () => {
  test.each([
    ['JWKS is down', status(503)],
    ['JWKS knows no such project', status(404)],
    ['JWKS is nonsense', status(200)],
  ])('because %s', async (_why, misbehave) => {
    const issuer = await startIssuer();
    answer(issuer, 'jwks', misbehave);
    expect(await getUser(await issuer.mint(), issuer.options)).toEqual(userOf());
    expect(await getUser(await issuer.mint(), issuer.options), 'backing off').toEqual(userOf());
  });

  test('because JWKS hangs, and in time', async () => {
    const issuer = await startIssuer();
    answer(issuer, 'jwks', hang);
    const options = { ...issuer.options, timeout: 4_000 };
    expect(await getUser(await issuer.mint(), options)).toEqual(userOf());
  });

  // An empty set counts for a second.
  test.each([0, 1_100])(
    'because there was no key in the set %d ms ago, and now there is none to be had',
    async (ago) => {
      const issuer = await startIssuer();
      answer(issuer, 'jwks', (_request, response) => sendJson(response, 200, { keys: [] }));
      await failure(verifyJwt(await issuer.mint(), issuer.options));
      await sleep(ago);
      answer(issuer, 'jwks', status(503));
      expect(await getUser(await issuer.mint(), issuer.options)).toEqual(userOf());
    },
  );

  test.each([{ status: 'maintenance' }, { id: 'req_8f3a', status: 'maintenance' }, { id: null }])(
    'and a page that stands in for all of the service lets nobody in: %o',
    async (page) => {
      const issuer = await startIssuer();
      answer(issuer, '/', (_request, response) => sendJson(response, 200, page));
      const [header, payload] = (await issuer.mint()).split('.');
      const forged = [header, payload, 'A'.repeat(86)].join('.');
      const message = expect.stringContaining(
        `; it was asked for at ${issuer.url}/api/v1/users/me`,
      );
      expect(await failure(getUser(forged, issuer.options))).toMatchObject({
        ...UNAVAILABLE,
        message,
      });
    },
  );

  test.each<[jwks: number, stackCode: string, code: string]>([
    [404, 'INVALID_PROJECT_FOR_ACCESS_TOKEN', 'ERR_CONFIG'],
    // The client gets a new token first.
    [404, 'ACCESS_TOKEN_EXPIRED', 'ERR_USER_UNAUTHENTICATED'],
    [503, 'INVALID_PROJECT_FOR_ACCESS_TOKEN', 'ERR_USER_UNAUTHENTICATED'],
  ])('and after %d for JWKS, its %s is an %s', async (jwks, stackCode, code) => {
    const issuer = await startIssuer();
    answer(issuer, '/', (request, response) => {
      const isAboutUser = request.url?.endsWith('users/me');
      response.writeHead(isAboutUser ? 401 : jwks, { 'x-stack-known-error': stackCode }).end();
    });
    expect(await failure(getUser(await issuer.mint(), issuer.options))).toMatchObject({ code });
  });

  test.each([404, 503])('but not after %d for JWKS about a token that expired', async (code) => {
    const issuer = await startIssuer();
    answer(issuer, 'jwks', status(code));
    const error = await failure(getUser(await issuer.mint({ expiresIn: -1 }), issuer.options));
    expect(error).toMatchObject({ code: 'ERR_JWT_EXPIRED', status: 401 });
    expect(issuer.userRequests).toBe(0);
  });

  test.each([
    ['iss', { base: 'https://elsewhere.example' }],
    ['nbf', { claims: { nbf: 4e9 } }],
  ])('nor about one that expired and whose %s is wrong', async (claim, options) => {
    const issuer = await startIssuer();
    answer(issuer, 'jwks', status(503));
    const expired = await issuer.mint({ ...options, expiresIn: -1 });
    expect(await failure(getUser(expired, issuer.options))).toMatchObject({ status: 401, claim });
    expect(issuer.userRequests).toBe(0);
    await Promise.allSettled([getUser(await issuer.mint(options), issuer.options)]);
    expect(issuer.userRequests).toBe(1);
  });

  test('nor about one that has expired by currentDate', async () => {
    const issuer = await startIssuer();
    answer(issuer, 'jwks', status(503));
    const token = await issuer.mint();
    const options = { ...issuer.options, currentDate: new Date(Date.now() + 86_400_000) };
    expect(await failure(getUser(token, options))).toMatchObject({ code: 'ERR_JWT_EXPIRED' });
    expect(issuer.userRequests).toBe(0);
  });

  test('but not where keys are at hand and the token has none of them', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await verifyJwt(token, issuer.options);
    answer(issuer, 'jwks', status(503));
    for (const call of [1, 2, 3]) {
      const unknown = withKid(token, `unknown-${call}`);
      expect(await failure(getUser(unknown, issuer.options))).toMatchObject(DOWN);
    }
    expect(issuer.userRequests).toBe(0);
    expect(await getUser(token, issuer.options)).toEqual(userOf());
  });

  test.each([
    ['due for a refresh', 540_000],
    ['stale', 700_000],
  ])(
    'nor where keys are %s and new ones slow to come, which have the whole time',
    async (_, age) => {
      const issuer = await startIssuer();
      const keys = await keysOfAge(issuer, age);
      const options = { ...issuer.options, keys, timeout: 5_000 };
      issuer.rotate();
      answer(issuer, 'jwks', async () => {
        await sleep(2_600); // More than half of it.
        return false;
      });
      expect(await getUser(await issuer.mint(), options)).toEqual(userOf());
    },
  );

  test('and its word counts', async () => {
    const issuer = await startIssuer();
    answer(issuer, 'jwks', status(503));
    const lenient = { ...issuer.options, clockTolerance: 60 };
    const error = await failure(getUser(await issuer.mint({ expiresIn: -1 }), lenient));
    expect(error).toMatchObject({
      code: 'ERR_USER_UNAUTHENTICATED',
      status: 401,
      retryable: false,
      stackCode: 'ACCESS_TOKEN_EXPIRED',
    });
  });
});

describe('another try is made', () => {
  /** Misbehaves so many times, and then answers as usual. */
  async function startFlaky(times: number, misbehave: (response: Response) => unknown) {
    const issuer = await startIssuer();
    answer(issuer, 'users/me', (_request, response) => {
      if (issuer.userRequests > times) {
        return false;
      }
      misbehave(response);
    });
    return issuer;
  }

  test.each([500, 502, 503, 504, 429])('twice after %d', async (code) => {
    const issuer = await startFlaky(2, (response) => response.writeHead(code).end());
    expect(await getUser(await issuer.mint(), issuer.options)).toEqual(userOf());
    expect(issuer.userRequests).toBe(3);
  });

  test.each([
    ['is reset', (response: Response) => response.socket?.resetAndDestroy()],
    ['is closed', (response: Response) => response.socket?.destroy()],
    [
      'breaks off inside the body',
      (response: Response) => {
        response.writeHead(200).write('{"id":');
        setImmediate(() => response.socket?.destroy());
      },
    ],
  ])('after a connection that %s', async (_what, misbehave) => {
    const issuer = await startFlaky(1, misbehave);
    expect(await getUser(await issuer.mint(), issuer.options)).toEqual(userOf());
    expect(issuer.userRequests).toBe(2);
  });

  test.each([
    [500, UNAVAILABLE],
    [503, UNAVAILABLE],
    [429, LIMITED],
  ])('but not more than twice after %d', async (code, expected) => {
    const issuer = await startFlaky(9, (response) => response.writeHead(code).end());
    const error = await failure(getUser(await issuer.mint(), issuer.options));
    expect(error).toMatchObject({ ...expected, headers: { 'Retry-After': '5' } });
    expect(issuer.userRequests).toBe(3);
  });

  test('but in vain where there is no server', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await getUser(token, issuer.options);
    await refuseConnections(issuer);
    // On Windows it takes 6 s to be refused three times.
    const error = await failure(getUser(token, { ...issuer.options, timeout: 20_000 }));
    expect(error).toMatchObject({
      ...UNAVAILABLE,
      cause: { message: expect.stringMatching(/refused/i) },
    });
  });

  test.each([
    [429, 'a second', () => '1'],
    [503, 'a second', () => '1'],
    [429, 'a date', () => new Date(Date.now() + 2_000).toUTCString()],
  ])('after %d when Retry-After says so with %s', async (code, _what, retryAfter) => {
    const issuer = await startFlaky(1, (response) =>
      response.writeHead(code, { 'retry-after': retryAfter() }).end(),
    );
    const token = await issuer.mint();
    const start = performance.now();
    expect(await getUser(token, issuer.options)).toEqual(userOf());
    expect(performance.now() - start).toBeGreaterThan(950);
    expect(issuer.userRequests).toBe(2);
  });

  test.each([
    [429, LIMITED],
    [503, UNAVAILABLE],
  ])('but not after %d with a Retry-After beyond the time-out', async (code, expected) => {
    const issuer = await startFlaky(9, (response) =>
      response.writeHead(code, { 'retry-after': '60' }).end(),
    );
    const token = await issuer.mint();
    const [error, millis] = await timed(() => failure(getUser(token, issuer.options)));
    expect(error).toMatchObject({ ...expected, headers: { 'Retry-After': '60' } });
    expect(millis).toBeLessThan(1_000);
    expect(issuer.userRequests).toBe(1);
  });

  test('but not after a Retry-After beyond the time-out, even if the body breaks off', async () => {
    const issuer = await startFlaky(9, (response) => {
      response.writeHead(503, { 'retry-after': '60' }).write('Unavail');
      setImmediate(() => response.socket?.destroy());
    });
    expect(await failure(getUser(await issuer.mint(), issuer.options))).toMatchObject(UNAVAILABLE);
    expect(issuer.userRequests).toBe(1);
  });

  test.each([400, 401, 403, 404, 302])('but not after %d', async (code) => {
    const issuer = await startFlaky(9, (response) => response.writeHead(code).end());
    await failure(getUser(await issuer.mint(), issuer.options));
    expect(issuer.userRequests).toBe(1);
  });
});

test('without a secret key no user can be asked for, but as a client', async () => {
  vi.stubEnv('HEXCLAVE_SECRET_SERVER_KEY', '');
  vi.stubEnv('STACK_SECRET_SERVER_KEY', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const issuer = await startIssuer();
  const { projectId, baseUrl } = issuer.options;
  const token = await issuer.mint();
  const error = await failure(getUser(token, { projectId, baseUrl }));
  expect(error).toMatchObject({ code: 'ERR_CONFIG', status: 500, retryable: false });
  expect(issuer.requests).toEqual([]);
  await getUser(token, { projectId, baseUrl, accessType: 'client' });
});
