import { createRequire } from 'node:module';
import path from 'node:path';

import { describe, expect, test } from 'vitest';
import { authErrorHandler, getAuth, optionalUser, requireUser } from '../express.js';
import { StackAuthError } from '../index.js';
import { refuseConnections, startIssuer, USER_ID } from './support/cache-issuer.ts';
import { appOf, EXPRESSES, serve, silence, withToken } from './support/express-app.ts';
import { PLACES } from './support/places.ts';
import { userOf } from './support/stand-in.js';

describe.each(EXPRESSES)('in %s', (_version, express) => {
  test.each(PLACES)('a token in %s says who calls', async (_, header) => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const [name, value] = header(token);
    const cookies = name === 'cookie';
    for (const middleware of [requireUser, optionalUser]) {
      const ask = await serve(appOf(express, middleware({ ...issuer.options, cookies })));
      const { status, body } = await ask('/', { [name]: value });
      expect(status).toBe(200);
      expect(body).toMatchObject({ token, userId: USER_ID, userType: 'regular', same: true });
      expect(body.payload).toMatchObject({ sub: USER_ID, email: 'ada@example.com' });
      expect(Object.keys(body)).not.toContain('user');
    }
  });

  const inCookies = PLACES.filter(([, header]) => header('')[0] === 'cookie');
  test.each(inCookies)('a token in %s is none unless cookies are asked for', async (_, header) => {
    const issuer = await startIssuer();
    const [name, value] = header(await issuer.mint());
    const ask = await serve(appOf(express, requireUser(issuer.options)));
    expect(await ask('/', { [name]: value })).toMatchObject({ status: 401 });
  });

  test.each(['regular', 'restricted', 'anonymous'] as const)('a %s user is one', async (type) => {
    const issuer = await startIssuer();
    const options = { ...issuer.options, allowAnonymous: true };
    const ask = await serve(appOf(express, requireUser(options)));
    const { body } = await ask('/', withToken(await issuer.mint({ type })));
    expect(body.userType).toBe(type);
  });

  test('a user type that is not allowed is refused, where it is not', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint({ type: 'restricted' });
    const lenient = await serve(
      appOf(express, requireUser({ ...issuer.options, allowRestricted: true })),
    );
    expect((await lenient('/', withToken(token))).body.userType).toBe('restricted');
    const strict = await serve(appOf(express, requireUser(issuer.options)));
    expect((await strict('/', withToken(token))).status).toBe(403);
  });

  test('optionalUser lets visitors through, and refuses a token that does not count', async () => {
    const issuer = await startIssuer();
    const ask = await serve(appOf(express, optionalUser(issuer.options)));
    expect(await ask('/')).toMatchObject({ status: 200, body: {} });
    expect(await ask('/', { 'x-stack-auth': '{"accessToken":null}' })).toMatchObject({
      status: 200,
      text: '{}',
    });
    expect(issuer.requests).toHaveLength(0);
    const expired = await issuer.mint({ expiresIn: -1 });
    expect(await ask('/', withToken(expired))).toMatchObject({
      status: 401,
      body: { error: 'ERR_JWT_EXPIRED' },
    });
  });

  test('the environment has the options that are not given', async () => {
    const issuer = await startIssuer();
    process.env.HEXCLAVE_PROJECT_ID = issuer.projectId;
    process.env.HEXCLAVE_API_URL = issuer.url;
    try {
      const app = appOf(express, requireUser());
      delete process.env.HEXCLAVE_PROJECT_ID;
      const ask = await serve(app);
      expect((await ask('/', withToken(await issuer.mint()))).body.userId).toBe(USER_ID);
    } finally {
      delete process.env.HEXCLAVE_PROJECT_ID;
      delete process.env.HEXCLAVE_API_URL;
    }
  });

  describe('the user', () => {
    test('is asked for once in a request, and not before it is wanted', async () => {
      const issuer = await startIssuer();
      const app = express();
      app.use(requireUser(issuer.options));
      app.get('/id', (request, response) => void response.json(request.auth?.userId));
      app.get('/user', (request, response, next) => {
        const { getUser } = getAuth(request);
        Promise.all([getUser(), getUser(), request.auth?.getUser()])
          .then(([one, two, three]) => response.json([one, one === two && two === three]))
          .catch(next);
      });
      const ask = await serve(app);
      const headers = withToken(await issuer.mint());
      expect((await ask('/id', headers)).body).toBe(USER_ID);
      expect(issuer.userRequests).toBe(0);
      expect((await ask('/user', headers)).body).toEqual([userOf(), true]);
      expect(issuer.userRequests).toBe(1);
      await ask('/user', headers);
      expect(issuer.userRequests).toBe(2);
    });

    test('is there with fetchUser, and getUser() has no need to ask again', async () => {
      const issuer = await startIssuer();
      const app = express();
      app.get(
        '/',
        requireUser({ ...issuer.options, fetchUser: true }),
        (request, response, next) => {
          getAuth(request)
            .getUser()
            .then((user) => response.json([request.auth?.user, user === request.auth?.user]))
            .catch(next);
        },
      );
      const ask = await serve(app);
      const { body } = await ask('/', withToken(await issuer.mint()));
      expect(body).toEqual([userOf(), true]);
      expect(issuer.userRequests).toBe(1);
    });

    test('is not asked for where the token does not count', async () => {
      const issuer = await startIssuer();
      const ask = await serve(appOf(express, requireUser({ ...issuer.options, fetchUser: true })));
      const token = await issuer.mint({ expiresIn: -1 });
      expect((await ask('/', withToken(token))).status).toBe(401);
      expect((await ask('/')).status).toBe(401);
      expect(issuer.userRequests).toBe(0);
    });
  });

  describe('another package', () => {
    const theirs = (auth: unknown) => (request: any, _response: unknown, next: () => void) => {
      request.auth = auth;
      next();
    };
    const secretive = { payload: { sub: 'a-secret' }, 'odd name': 1, token: 'a-secret' };

    test.each([
      ['an object', secretive, 'object with payload, token'],
      ['a function', () => 'a-secret', 'function'],
      ['a text', 'a-secret', 'string'],
    ])(
      'that has set request.auth to %s is told of, and nothing is overwritten',
      async (_, auth, found) => {
        const issuer = await startIssuer();
        for (const middleware of [requireUser, optionalUser]) {
          const seen: any[] = [];
          const app = express();
          app.get('/', theirs(auth), middleware(issuer.options));
          app.use((error: any, request: any, response: any, _next: unknown) => {
            seen.push(error, request.auth);
            response.status(error.status).end();
          });
          const ask = await serve(app);
          for (const headers of [{}, withToken(await issuer.mint())]) {
            expect((await ask('/', headers)).status).toBe(500);
            const [error, left] = seen.splice(0);
            expect(error).toBeInstanceOf(StackAuthError);
            expect(error).toMatchObject({ code: 'ERR_CONFIG', status: 500, headers: {} });
            expect(error.message).toContain(
              `request.auth is set by something else already: ${found}.`,
            );
            expect(error.message).not.toContain('a-secret');
            expect(left).toBe(auth);
          }
        }
      },
    );

    test('that sets request.auth afterwards does not change what getAuth says', async () => {
      using _console = silence();
      const issuer = await startIssuer();
      const app = express();
      app.get('/', requireUser(issuer.options), theirs(secretive), (request, response) => {
        response.json(getAuth(request).userId);
      });
      const ask = await serve(app);
      expect((await ask('/', withToken(await issuer.mint()))).body).toBe(USER_ID);
      const again = await serve(
        appOf(express, requireUser(issuer.options), theirs(secretive), requireUser(issuer.options)),
      );
      expect((await again('/', withToken(await issuer.mint()))).status).toBe(500);
    });

    test('that sets it to nothing is no hindrance', async () => {
      const issuer = await startIssuer();
      const token = await issuer.mint();
      for (const nothing of [undefined, null]) {
        const ask = await serve(appOf(express, theirs(nothing), requireUser(issuer.options)));
        expect((await ask('/', withToken(token))).body.userId).toBe(USER_ID);
        const middleware = requireUser(issuer.options);
        const between = await serve(appOf(express, middleware, theirs(nothing), middleware));
        expect((await between('/', withToken(token))).body.userId).toBe(USER_ID);
      }
    });
  });

  test('two copies of this package understand each other', async () => {
    const issuer = await startIssuer();
    const copy = await anotherCopy();
    const ask = await serve(
      appOf(express, copy.requireUser(issuer.options), requireUser(issuer.options)),
    );
    const { body } = await ask('/', withToken(await issuer.mint()));
    expect(body).toMatchObject({ userId: USER_ID, same: true });
    // What the other has found may be of another version.
    const withUser = { ...issuer.options, fetchUser: true };
    const twice = appOf(express, copy.requireUser(withUser), requireUser(withUser));
    await (await serve(twice))('/', withToken(await issuer.mint()));
    expect(issuer.userRequests).toBe(2);
    const other = await serve(appOf(express, copy.optionalUser(issuer.options)));
    expect((await other('/', withToken(await issuer.mint()))).body.same).toBe(true);
  });

  test('getAuth says of a request that was refused what it was refused for', async () => {
    using _console = silence();
    const issuer = await startIssuer();
    await refuseConnections(issuer);
    const app = express();
    app.use(requireUser(issuer.options));
    app.use((_error: unknown, request: any, _response: any, _next: unknown) => {
      getAuth(request);
    });
    app.use(authErrorHandler());
    const ask = await serve(app);
    expect(await ask('/', withToken(await issuer.mint()))).toMatchObject({
      status: 503,
      body: { error: 'ERR_JWKS_FETCH_FAILED' },
    });
  });

  test('getAuth is never undefined', async () => {
    using _console = silence();
    const issuer = await startIssuer();
    const app = express();
    const handler = (request: any, response: any) => response.json(getAuth(request).userId);
    app.get('/unprotected', handler);
    app.get('/optional', optionalUser(issuer.options), handler);
    app.use(authErrorHandler());
    const ask = await serve(app);
    const error = (code: string) => ({ body: { error: code } });
    expect(await ask('/unprotected', withToken(await issuer.mint()))).toMatchObject({
      status: 500,
      ...error('ERR_CONFIG'),
    });
    expect(await ask('/optional')).toMatchObject({ status: 401, ...error('ERR_TOKEN_MISSING') });
    expect((await ask('/optional', withToken(await issuer.mint()))).body).toBe(USER_ID);
  });
});

/** As a package manager may install it twice. */
async function anotherCopy(): Promise<typeof import('../express.js')> {
  const require = createRequire(import.meta.url);
  const own = [require.resolve('../express.js'), path.join(import.meta.dirname, '../lib/')];
  for (const file of Object.keys(require.cache)) {
    if (own.some((start) => file.startsWith(start))) {
      delete require.cache[file];
    }
  }
  const copy = require('../express.js');
  expect(copy.getAuth).not.toBe(getAuth);
  return copy;
}
