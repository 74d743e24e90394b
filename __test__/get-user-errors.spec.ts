import { inspect } from 'node:util';

import { describe, expect, test } from 'vitest';
import { getUser, type StackAuthError, verifyJwt } from '../index.js';
import {
  answer,
  failure,
  hang,
  refuseConnections,
  reset,
  startIssuer,
  status,
  withKid,
} from './support/cache-issuer.js';
import { KnownErrors, type Response, type StandIn, sendError } from './support/stand-in.js';

const CALLER = { code: 'ERR_USER_UNAUTHENTICATED', status: 401, retryable: false };
const USER_TYPE = { code: 'ERR_USER_TYPE_NOT_ALLOWED', status: 403, retryable: false };
const OPERATOR = { code: 'ERR_CONFIG', status: 500, retryable: false };
const UNAVAILABLE = { code: 'ERR_API_UNAVAILABLE', status: 503, retryable: true };
const LIMITED = { code: 'ERR_API_RATE_LIMITED', status: 503, retryable: true };

async function failureAfter(respond: (response: Response) => unknown) {
  const issuer = await startIssuer();
  answer(issuer, 'users/me', (_request, response) => void respond(response));
  return failure(getUser(await issuer.mint(), issuer.options));
}

describe('a known error of Stack Auth', () => {
  const project = 'b3a0c2d4-1e5f-4a6b-8c7d-9e0f1a2b3c4d';
  const E = KnownErrors;

  test.each([
    [400, 'ACCESS_TYPE_REQUIRED', new E.AccessTypeRequired(), OPERATOR],
    [400, 'PROJECT_KEY_WITHOUT_ACCESS_TYPE', new E.ProjectKeyWithoutAccessType(), OPERATOR],
    [400, 'INVALID_ACCESS_TYPE', new E.InvalidAccessType('admin'), OPERATOR],
    [400, 'ACCESS_TYPE_WITHOUT_PROJECT_ID', new E.AccessTypeWithoutProjectId('server'), OPERATOR],
    [400, 'CURRENT_PROJECT_NOT_FOUND', new E.CurrentProjectNotFound(project), OPERATOR],
    [400, 'BRANCH_DOES_NOT_EXIST', new E.BranchDoesNotExist('main'), OPERATOR],
    [400, 'SCHEMA_ERROR', new E.SchemaError('Request validation failed'), OPERATOR],
    [400, 'CANNOT_GET_OWN_USER_WITHOUT_USER', new E.CannotGetOwnUserWithoutUser(), CALLER],
    [401, 'UNPARSABLE_ACCESS_TOKEN', new E.UnparsableAccessToken(), CALLER],
    [401, 'ACCESS_TOKEN_EXPIRED', new E.AccessTokenExpired(new Date(0), project, 'u', 'r'), CALLER],
    [
      401,
      'INVALID_PROJECT_FOR_ACCESS_TOKEN',
      new E.InvalidProjectForAccessToken(project, 'other'),
      CALLER,
    ],
    [
      401,
      'ANONYMOUS_AUTHENTICATION_NOT_ALLOWED',
      new E.AnonymousAuthenticationNotAllowed(),
      USER_TYPE,
    ],
    [401, 'INVALID_SECRET_SERVER_KEY', new E.InvalidSecretServerKey(project), OPERATOR],
    [401, 'SERVER_AUTHENTICATION_REQUIRED', new E.ServerAuthenticationRequired(), OPERATOR],
    [
      401,
      'INSUFFICIENT_ACCESS_TYPE',
      new E.InsufficientAccessType('client', ['server', 'admin']),
      OPERATOR,
    ],
    [401, 'INVALID_PUBLISHABLE_CLIENT_KEY', new E.InvalidPublishableClientKey(project), OPERATOR],
    [
      401,
      'PUBLISHABLE_CLIENT_KEY_REQUIRED_FOR_PROJECT',
      new E.PublishableClientKeyRequiredForProject(project),
      OPERATOR,
    ],
    [
      403,
      'RESTRICTED_USER_NOT_ALLOWED',
      new E.RestrictedUserNotAllowed({ type: 'email_not_verified' }),
      USER_TYPE,
    ],
  ])('%d %s', async (code, stackCode, known, expected) => {
    expect([known.statusCode, known.errorCode], 'the row itself').toEqual([code, stackCode]);
    const error = await failureAfter((response) => sendError(response, known));
    expect(error).toMatchObject({ ...expected, stackCode });
    expect(error.details).toEqual(known.details);
    expect('details' in error).toBe(known.details !== undefined);
    expect(error.message).toContain(stackCode);
    expect(error.message).toContain(JSON.stringify(known.message).slice(1, 60));
  });

  test('is known by its body alone', async () => {
    const known = new E.UnparsableAccessToken();
    const error = await failureAfter((response) => response.writeHead(401).end(known.getBody()));
    expect(error).toMatchObject({ ...CALLER, stackCode: 'UNPARSABLE_ACCESS_TOKEN' });
  });

  test.each([
    [400, OPERATOR],
    [401, OPERATOR],
    [403, OPERATOR],
    [404, OPERATOR],
    [429, LIMITED],
    [500, UNAVAILABLE],
  ])(
    'of status %d that is newer than this is not put down to the caller',
    async (code, expected) => {
      const error = await failureAfter((response) =>
        response
          .writeHead(code, { 'x-stack-known-error': 'BRAND_NEW' })
          .end('{"code":"BRAND_NEW","error":"Brand new.","details":[null,{"a":"b"}]}'),
      );
      const details = [null, { a: 'b' }];
      expect(error).toMatchObject({ ...expected, stackCode: 'BRAND_NEW', details });
    },
  );
});

test('what the API says is quoted on one line, and not at any length', async () => {
  const error = await failureAfter((response) => {
    const text = 'line\n    at line\n'.repeat(10_000);
    response.writeHead(400).end(JSON.stringify({ code: text, error: text }));
  });
  expect(error.message.length).toBeLessThan(1_000);
  expect(error.message).not.toContain('\n');
});

describe('an answer without a code', () => {
  test.each([
    [400, 'Bad request', OPERATOR],
    [401, 'Unauthorized', OPERATOR],
    [403, 'Forbidden', OPERATOR],
    [404, 'Not found', OPERATOR],
    [408, 'Request timeout', UNAVAILABLE],
    [429, 'Too many requests', LIMITED],
    [500, 'Internal server error', UNAVAILABLE],
    [502, '<html><h1>Bad gateway</h1></html>', UNAVAILABLE],
    [503, '{"code":7,"error":{},"details"', UNAVAILABLE],
    [204, '', UNAVAILABLE],
    [206, '{"id":"half"}', UNAVAILABLE],
    [304, '', UNAVAILABLE],
  ])('is judged by its status (%d %s)', async (code, body, expected) => {
    const error = await failureAfter((response) =>
      response.writeHead(code, { 'content-type': 'text/plain' }).end(body),
    );
    expect(error).toMatchObject(expected);
    expect('stackCode' in error).toBe(false);
    expect('details' in error).toBe(false);
  });

  test.each([
    ['nothing', ''],
    ['HTML', '<html>Welcome to the hotel</html>'],
    ['null', 'null'],
    ['a list', '[]'],
    ['text', '"user"'],
    ['half an object', '{"id":'],
    ['two objects', '{"id":1}{"id":2}'],
  ])('is nonsense if it has status 200 and is %s', async (_what, body) => {
    expect(await failureAfter((response) => response.end(body))).toMatchObject(UNAVAILABLE);
  });

  test('is not read beyond 8 MiB', async () => {
    const body = '{}'.padEnd(8 * 1024 * 1024 + 1);
    expect(await failureAfter((response) => response.end(body))).toMatchObject(UNAVAILABLE);
  });
});

describe('neither the token nor a key is in any error', () => {
  const publishableClientKey = 'pck_publishable-0123456789';

  function expectClean(error: StackAuthError, secrets: string[]) {
    const shown = Object.entries({
      message: error.message,
      stack: String(error.stack),
      cause: inspect(error.cause),
      json: JSON.stringify(error),
      details: inspect(error.details, { depth: Infinity }),
      inspected: inspect(error, { depth: Infinity, showHidden: true, getters: true }),
    });
    const forms = secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]);
    const leaks = shown.filter(([, text]) => forms.some((form) => text.includes(form)));
    expect(leaks.map(([where]) => where)).toEqual([]);
  }

  async function expectCleanFailure(issuer: StandIn, token: string, options = {}) {
    const { secretServerKey } = issuer;
    const all = { ...issuer.options, publishableClientKey, ...options };
    const error = await failure(getUser(token, all));
    expectClean(error, [token, secretServerKey, publishableClientKey]);
    return error;
  }

  const keysIn = (headers: NodeJS.Dict<string | string[]>) =>
    ['access-token', 'secret-server-key', 'publishable-client-key'].map((name) =>
      String(headers[`x-stack-${name}`]),
    );

  test.each([
    ['plain', 'ssk_plain-0123456789'],
    ['one that JSON writes otherwise', 'ssk_"quotes"-and-\\backslashes\\'],
  ])('that the API repeats in text and details (%s)', async (_what, secretServerKey) => {
    const issuer = await startIssuer();
    issuer.secretServerKey = secretServerKey;
    answer(issuer, 'users/me', ({ headers }, response) => {
      const keys = keysIn(headers);
      const error = `Do you know ${keys.join(' and ')}?`;
      const details = { headers, keys, [String(keys[1])]: [error] };
      response.writeHead(400).end(JSON.stringify({ code: 'ECHO', error, details }));
    });
    const error = await expectCleanFailure(issuer, await issuer.mint());
    expect(error).toMatchObject({ code: 'ERR_CONFIG', stackCode: 'ECHO' });
  });

  test('that the API repeats in escapes', async () => {
    const issuer = await startIssuer();
    const inEscapes = (text: string) =>
      text.replace(/./g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
    answer(issuer, 'users/me', ({ headers }, response) => {
      const text = keysIn(headers).map(inEscapes).join(' ');
      response
        .writeHead(400)
        .end(`{"code":"${text}","error":"${text}","details":{"${text}":["${text}"]}}`);
    });
    await expectCleanFailure(issuer, await issuer.mint());
  });

  test('that the API repeats in a header or as plain text', async () => {
    const issuer = await startIssuer();
    answer(issuer, 'users/me', ({ headers }, response) => {
      const text = keysIn(headers).join(' ');
      response.writeHead(401, { 'x-stack-known-error': text, location: `/${text}` }).end(text);
    });
    await expectCleanFailure(issuer, await issuer.mint());
  });

  test.each([
    ['a redirect', 302],
    ['a rate limit', 429],
    ['an outage', 503],
  ])('after %s', async (_what, code) => {
    const issuer = await startIssuer();
    answer(issuer, 'users/me', ({ headers }, response) => {
      const text = keysIn(headers).join(' ');
      response.writeHead(code, { location: `${issuer.url}/${text}` }).end(text);
    });
    await expectCleanFailure(issuer, await issuer.mint());
  });

  test('after an echo in place of a user', async () => {
    const issuer = await startIssuer();
    answer(issuer, 'users/me', ({ headers }, response) => response.end(keysIn(headers).join(' ')));
    await expectCleanFailure(issuer, await issuer.mint());
  });

  test('when connections fail', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    answer(issuer, '/', reset);
    await expectCleanFailure(issuer, token);
    answer(issuer, '/', hang);
    await expectCleanFailure(issuer, token, { timeout: 50 });
    await refuseConnections(issuer);
    await expectCleanFailure(issuer, token);
  });

  test('when the token is bad', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    for (const bad of [
      'not-a-token-but-secret',
      `${token}A`,
      `${token}\n`,
      token.slice(0, -20),
      token.replace('.', '.!'),
      withKid(token, 'unknown'),
      await issuer.mint({ expiresIn: -1 }),
      await issuer.mint({ type: 'anonymous' }),
      await issuer.mint({ base: 'https://api.example.com' }),
    ]) {
      await expectCleanFailure(issuer, bad);
      expectClean(await failure(verifyJwt(bad, issuer.options)), [bad]);
    }
  });

  const misplaced = 'ssk_misplaced-0123456789';

  test.each([
    { secretServerKey: `${misplaced}\n` },
    { publishableClientKey: `${misplaced} ` },
    { accessType: misplaced },
    { projectId: misplaced },
    { baseUrl: misplaced },
    { baseUrl: `http://user:${misplaced}@127.0.0.1` },
    { issuerBaseUrls: [misplaced] },
    { timeout: misplaced },
    { keys: misplaced },
  ])('when one is in the wrong place: %j', async (wrong) => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const error = await failure(getUser(token, { ...issuer.options, ...(wrong as object) }));
    expect(error).toMatchObject(OPERATOR);
    expectClean(error, [misplaced, token]);
  });

  test('when one is in place of all options', async () => {
    for (const options of [misplaced, [misplaced]]) {
      const error = await failure(getUser('', options as object));
      expect(error).toMatchObject(OPERATOR);
      expectClean(error, [misplaced]);
    }
  });

  test('when the API is not to be asked', async () => {
    const issuer = await startIssuer();
    answer(issuer, 'jwks', status(404));
    const token = await issuer.mint();
    expectClean(await failure(verifyJwt(token, issuer.options)), [token, issuer.secretServerKey]);
  });
});
