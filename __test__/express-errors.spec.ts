import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

import { describe, expect, test } from 'vitest';
import { type AuthOptions, authErrorHandler, optionalUser, requireUser } from '../express.js';
import { StackAuth } from '../index.js';
import { answer, refuseConnections, startIssuer, status } from './support/cache-issuer.ts';
import { type Answer, EXPRESSES, serve, silence, withToken } from './support/express-app.ts';
import type { StandIn } from './support/stand-in.js';

const require = createRequire(import.meta.url);

interface Row {
  /** What happened, in a few words. */
  what: string;
  status: number;
  code: string;
  /** After the realm. */
  challenge?: string;
  message?: string;
  retryAfter?: RegExp;
  options?: AuthOptions;
  /** Brings it about. */
  stage?: (issuer: StandIn) => unknown;
  headers: (issuer: StandIn, token: string) => unknown;
}

const fresh = (_issuer: StandIn, token: string) => withToken(token);
const minted =
  (options: Parameters<StandIn['mint']>[0]) =>
  async (issuer: StandIn): Promise<object> =>
    withToken(await issuer.mint(options));

const invalid = (message: string) => ({
  status: 401,
  message,
  challenge: `, error="invalid_token", error_description="${message}"`,
});
const FOREIGN = { base: 'https://elsewhere.example' };
const API: AuthOptions = { fetchUser: true };

const ROWS: Row[] = [
  {
    what: 'no token',
    status: 401,
    code: 'ERR_TOKEN_MISSING',
    message: 'There is no access token in the request',
    challenge: '',
    headers: () => ({}),
  },
  {
    what: 'two tokens',
    status: 400,
    code: 'ERR_TOKEN_AMBIGUOUS',
    message: 'The request has several access tokens that differ',
    challenge:
      ', error="invalid_request", error_description="The request has several access tokens that differ"',
    headers: (_issuer, token) => ({ ...withToken(token), authorization: `Bearer x${token}` }),
  },
  {
    what: 'something that is no token',
    code: 'ERR_JWS_INVALID',
    ...invalid('The access token is malformed'),
    headers: () => ({ authorization: 'Bearer "nonsense\\' }),
  },
  {
    what: 'a container that cannot be read',
    code: 'ERR_JWS_INVALID',
    ...invalid('The access token is malformed'),
    headers: () => ({ authorization: 'Bearer stackauth_nonsense' }),
  },
  {
    what: 'an expired token',
    code: 'ERR_JWT_EXPIRED',
    ...invalid('The access token expired'),
    headers: minted({ expiresIn: -1 }),
  },
  {
    what: 'a forged token',
    code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    ...invalid('The signature of the access token is wrong'),
    headers: (_issuer, token) => withToken(`${token.slice(0, -8)}AAAAAAAA`),
  },
  {
    what: "another issuer's token",
    code: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
    ...invalid('A claim of the access token is not as it must be'),
    headers: minted(FOREIGN),
  },
  {
    what: 'a token of an unknown key',
    code: 'ERR_JWKS_NO_MATCHING_KEY',
    ...invalid('The access token is signed by an unknown key'),
    headers: async (issuer) => {
      issuer.rotate();
      const headers = withToken(await issuer.mint());
      issuer.secrets = issuer.secrets.slice(1);
      return headers;
    },
  },
  {
    what: 'an anonymous user',
    status: 403,
    code: 'ERR_USER_TYPE_NOT_ALLOWED',
    message: 'Users of this type may not call',
    challenge: ', error="insufficient_scope", error_description="Users of this type may not call"',
    headers: minted({ type: 'anonymous' }),
  },
  {
    what: 'a user who was deleted',
    code: 'ERR_USER_UNAUTHENTICATED',
    ...invalid('The user of the access token is not signed in'),
    options: API,
    stage: (issuer) => issuer.users.clear(),
    headers: fresh,
  },
  {
    what: 'a wrong secret key',
    status: 500,
    code: 'ERR_CONFIG',
    options: { ...API, secretServerKey: 'ssk_wrong' },
    headers: fresh,
  },
  {
    what: 'no keys to be had',
    status: 503,
    code: 'ERR_JWKS_FETCH_FAILED',
    retryAfter: /^1$/,
    stage: refuseConnections,
    headers: fresh,
  },
  {
    what: 'an issuer that is too slow',
    status: 503,
    code: 'ERR_JWKS_TIMEOUT',
    retryAfter: /^[15]$/,
    options: { timeout: 50 },
    stage: (issuer) => answer(issuer, 'jwks', () => {}),
    headers: fresh,
  },
  {
    what: 'an issuer that talks nonsense',
    status: 503,
    code: 'ERR_JWKS_INVALID',
    retryAfter: /^1$/,
    stage: (issuer) => answer(issuer, 'jwks', (_, response) => response.end('<html>')),
    headers: fresh,
  },
  {
    what: 'an API that is down',
    status: 503,
    code: 'ERR_API_UNAVAILABLE',
    retryAfter: /^5$/,
    options: API,
    stage: (issuer) => answer(issuer, 'users/me', status(502)),
    headers: fresh,
  },
  {
    what: 'an API that is too slow',
    status: 503,
    code: 'ERR_API_TIMEOUT',
    retryAfter: /^5$/,
    options: { ...API, timeout: 700 },
    stage: (issuer) => answer(issuer, 'users/me', () => {}),
    headers: fresh,
  },
  {
    what: 'an API that is asked too often',
    status: 503,
    code: 'ERR_API_RATE_LIMITED',
    retryAfter: /^5$/,
    options: API,
    stage: (issuer) => answer(issuer, 'users/me', status(429)),
    headers: fresh,
  },
];

function expectHeaders({ headers }: Answer, { challenge, retryAfter }: Row) {
  expect(headers['www-authenticate']).toBe(
    challenge === undefined ? undefined : `Bearer realm="stack-auth"${challenge}`,
  );
  if (retryAfter) {
    expect(headers['retry-after']).toMatch(retryAfter);
  } else {
    expect(headers).not.toHaveProperty('retry-after');
  }
}

describe.each(EXPRESSES)('in %s', (_version, express) => {
  describe.each(ROWS)('$what', (row) => {
    /** The answer that a request of the row has from a server with this error handler, if any. */
    async function answerOf(...handlers: any[]) {
      const issuer = await startIssuer();
      const token = await issuer.mint();
      const app = express();
      app.get('/', requireUser({ ...issuer.options, ...row.options }), (_request, response) => {
        response.json('got in');
      });
      for (const handler of handlers) app.use(handler);
      const ask = await serve(app);
      // Not before, or the server could get the port that an issuer gives up, and answer in its place.
      await row.stage?.(issuer);
      const headers: any = await row.headers(issuer, token);
      const answer = await ask('/', headers);
      expect(answer.text).not.toContain('got in');
      return answer;
    }

    test('is answered by the error handler of Express', async () => {
      const answer = await answerOf();
      expect(answer.status).toBe(row.status);
      expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
      expectHeaders(answer, row);
    });

    test('is answered with JSON by authErrorHandler', async () => {
      using console = silence();
      const answer = await answerOf(authErrorHandler());
      expect(answer.status).toBe(row.status);
      expectHeaders(answer, row);
      const { code: error, message } = row;
      expect(answer.body).toEqual(message === undefined ? { error } : { error, message });
      const logged = row.status < 500 ? [] : [[expect.objectContaining({ code: error })]];
      expect(console.lines).toEqual(logged);
    });

    test("is answered by a server's own error handler, which need not know of headers", async () => {
      const answer = await answerOf((error: any, _: unknown, response: any, _next: unknown) => {
        response.status(error.status).json({ oops: error.code, again: error.retryable });
      });
      expect(answer).toMatchObject({
        status: row.status,
        body: { oops: row.code, again: row.status === 503 },
      });
      expectHeaders(answer, row);
    });
  });

  test('an outage is no answer for optionalUser either', async () => {
    using _console = silence();
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await refuseConnections(issuer);
    const app = express();
    app.get('/', optionalUser(issuer.options), (_request, response) => void response.json('in'));
    app.use(authErrorHandler());
    const ask = await serve(app);
    expect(await ask('/')).toMatchObject({ status: 200, body: 'in' });
    expect(await ask('/', withToken(token))).toMatchObject({ status: 503 });
  });

  test('who is shutting down does not answer as if it were broken', async () => {
    using _console = silence();
    const issuer = await startIssuer();
    const client = new StackAuth({ ...issuer.options, signal: AbortSignal.abort() });
    const app = express();
    app.get('/', requireUser({ client }), (_request, response) => void response.json('got in'));
    const byDefault = await serve(express().use(app));
    const byHandler = await serve(express().use(app).use(authErrorHandler()));
    const headers = withToken(await issuer.mint());
    for (const ask of [byDefault, byHandler]) {
      const answer = await ask('/', headers);
      expect(answer.status).toBe(503);
      expect(answer.headers).not.toHaveProperty('www-authenticate');
    }
  });

  test('what goes wrong in a handler has the same answer', async () => {
    using _console = silence();
    const issuer = await startIssuer();
    const client = new StackAuth(issuer.options);
    answer(issuer, 'users/me', status(502));
    const app = express();
    app.get('/', requireUser({ client }), (request, response, next) => {
      request.auth?.getUser().then((user) => response.json(user), next);
    });
    app.get('/by-hand', (_request, _response, next) => {
      client.verifyJwt('nonsense').catch(next);
    });
    const byDefault = await serve(express().use(app));
    const asJson = await serve(express().use(app).use(authErrorHandler()));
    const headers = withToken(await issuer.mint());
    for (const ask of [byDefault, asJson]) {
      const outage = await ask('/', headers);
      expect(outage).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
      const refusal = await ask('/by-hand');
      expect(refusal.status).toBe(401);
      expect(refusal.headers['www-authenticate']).toContain('error="invalid_token"');
    }
  });
});

test('every code of the contract has a row, or a reason not to', async () => {
  const contract = await readFile(path.resolve(import.meta.dirname, '../index.d.ts'), 'utf8');
  const codes = [...contract.matchAll(/[|=] '(ERR_\w+)'/g)].map(([, code]) => code as string);
  const { responseHeaders, describeToCaller } = require('../lib/challenge.js');
  for (const code of codes) {
    const whenLoaded = /^ERR_(BINARY|UNSUPPORTED)_/.test(code);
    const { status } = ROWS.find((row) => row.code === code) ?? { status: whenLoaded ? 500 : 401 };
    const description = describeToCaller({ code });
    expect(description !== undefined, code).toBe(status < 500);
    // The characters that RFC 6750 section 3 permits.
    expect(description ?? '').toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/);
    expect(Object.keys(responseHeaders({ code, status }))).toEqual(
      status < 500 ? ['WWW-Authenticate'] : status === 503 ? ['Retry-After'] : [],
    );
  }
  const rows = new Set(ROWS.map(({ code }) => code));
  // Three more 401s whose making is the affair of other specs, and four that no request sees.
  expect(codes.filter((code) => !rows.has(code)).sort()).toEqual([
    'ERR_BINARY_MISSING',
    'ERR_BINARY_UNUSABLE',
    'ERR_BINARY_VERSION',
    'ERR_JOSE_ALG_NOT_ALLOWED',
    'ERR_JOSE_NOT_SUPPORTED',
    'ERR_JWT_INVALID',
    'ERR_UNSUPPORTED_PLATFORM',
  ]);
});
