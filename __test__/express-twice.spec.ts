// Two middlewares in a row.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { authErrorHandler, getAuth, optionalUser, requireUser } from '../express.js';
import { StackAuth, verifyJwt } from '../index.js';
import {
  acceptConnections,
  refuseConnections,
  startIssuer,
  withKid,
} from './support/cache-issuer.ts';
import { appOf, EXPRESSES, serve, withToken } from './support/express-app.ts';
import { cookie } from './support/places.ts';
import { userOf } from './support/stand-in.js';

afterEach(() => vi.unstubAllEnvs());

describe.each(EXPRESSES)('in %s, two middlewares in a row', (_version, express) => {
  test('with equal options find out once', async () => {
    const issuer = await startIssuer();
    const options = { ...issuer.options, issuerBaseUrls: ['http://127.0.0.1:9'] };
    const ask = await serve(
      appOf(
        express,
        optionalUser({ ...options, fetchUser: true }),
        requireUser({ ...options, issuerBaseUrls: [...options.issuerBaseUrls] }),
        requireUser({ ...options, fetchUser: true }),
      ),
    );
    const { body } = await ask('/', withToken(await issuer.mint()));
    expect(body.user).toEqual(userOf());
    expect(issuer.userRequests).toBe(1);
    expect((await ask('/')).status).toBe(401);
  });

  test('with one client find out once, whatever has become of the environment', async () => {
    const issuer = await startIssuer();
    const client = new StackAuth(issuer.options);
    const first = optionalUser({ client, fetchUser: true });
    vi.stubEnv('HEXCLAVE_PROJECT_ID', 'another');
    const ask = await serve(appOf(express, first, requireUser({ client, fetchUser: true })));
    await ask('/', withToken(await issuer.mint()));
    expect(issuer.userRequests).toBe(1);
  });

  test('with one client find out once, and with two of them twice', async () => {
    const issuer = await startIssuer();
    const [one, two] = [new StackAuth(issuer.options), new StackAuth(issuer.options)];
    const headers = withToken(await issuer.mint());
    const first = optionalUser({ client: one, fetchUser: true });
    const same = await serve(appOf(express, first, requireUser({ client: one, fetchUser: true })));
    await same('/', headers);
    expect(issuer.userRequests).toBe(1);
    const other = await serve(appOf(express, first, requireUser({ client: two, fetchUser: true })));
    await other('/', headers);
    expect(issuer.userRequests).toBe(3);
  });

  test.each([
    ['issuers', (n: number) => ({ issuerBaseUrls: [`http://127.0.0.1:${n}`] })],
    ['keys', (uat: number) => ({ keys: { jwks: { keys: [] }, uat } })],
  ])('with equal %s find out once, and with others twice', async (_what, more) => {
    const issuer = await startIssuer();
    const headers = withToken(await issuer.mint());
    const middleware = (n: number) =>
      requireUser({ ...issuer.options, ...more(n), fetchUser: true });
    const equal = await serve(appOf(express, middleware(1), middleware(1)));
    await equal('/', headers);
    expect(issuer.userRequests).toBe(1);
    const other = await serve(appOf(express, middleware(1), middleware(2)));
    await other('/', headers);
    expect(issuer.userRequests).toBe(3);
  });

  test('each verify the token, for a request can outlive it', async () => {
    const issuer = await startIssuer();
    const withdraw = async (_request: unknown, _response: unknown, next: () => void) => {
      issuer.rotate({ withdraw: true });
      await verifyJwt(await issuer.mint(), issuer.options);
      next();
    };
    const middleware = requireUser(issuer.options);
    const ask = await serve(appOf(express, middleware, withdraw, middleware));
    expect(await ask('/', withToken(await issuer.mint()))).toMatchObject({ status: 401 });
  });

  test('each count by their own options', async () => {
    const issuer = await startIssuer();
    const anonymous = withToken(await issuer.mint({ type: 'anonymous' }));
    const lenient = optionalUser({ ...issuer.options, allowAnonymous: true });
    const app = express();
    app.use(lenient);
    app.get('/open', (request, response) => void response.json(request.auth?.userType));
    app.get('/closed', requireUser(issuer.options), (_request, response) => {
      response.json('got in');
    });
    app.use((_error: unknown, request: any, response: any, _next: unknown) => {
      response.json({ auth: request.auth });
    });
    const ask = await serve(app);
    expect((await ask('/open', anonymous)).body).toBe('anonymous');
    // What the first has found does not stay where the second refuses it.
    expect((await ask('/closed', anonymous)).body).toEqual({});
  });

  test('find out anew where the token is another one', async () => {
    const issuer = await startIssuer();
    const other = await issuer.mint({ claims: { sub: 'another-user' } });
    const exchange = (request: any, _response: unknown, next: () => void) => {
      Object.assign(request.headers, withToken(other));
      next();
    };
    const middleware = requireUser(issuer.options);
    const ask = await serve(appOf(express, middleware, exchange, middleware));
    const { body } = await ask('/', withToken(await issuer.mint()));
    expect(body.userId).toBe('another-user');
  });

  test('each look for the token in their own places', async () => {
    const issuer = await startIssuer();
    const headers = { cookie: `stack-access=${cookie(await issuer.mint())}` };
    const first = requireUser({ ...issuer.options, cookies: true });
    const required = await serve(appOf(express, first, requireUser(issuer.options)));
    expect(await required('/', headers)).toMatchObject({ status: 401 });
    const optional = await serve(appOf(express, first, optionalUser(issuer.options)));
    expect(await optional('/', headers)).toMatchObject({ status: 200, body: {} });
    const wants = (request: any, response: any) => response.json(getAuth(request).userId);
    const asks = await serve(appOf(express, first, optionalUser(issuer.options), wants));
    expect(await asks('/', headers)).toMatchObject({ status: 401 });
  });

  test('count by an option that the first does not have', async () => {
    const [issuer, other] = [await startIssuer(), await startIssuer()];
    vi.stubEnv('HEXCLAVE_PROJECT_ID', issuer.projectId);
    vi.stubEnv('HEXCLAVE_API_URL', issuer.url);
    const headers = withToken(await issuer.mint());
    const client = new StackAuth(other.options);
    const ask = await serve(appOf(express, requireUser(), requireUser({ client })));
    expect(await ask('/', headers)).toMatchObject({ status: 401 });
  });

  test('find out anew where the second does not have an option of the first', async () => {
    const issuer = await startIssuer();
    const first = optionalUser({ ...issuer.options, accessType: 'client', fetchUser: true });
    const second = requireUser({ ...issuer.options, fetchUser: true });
    const ask = await serve(appOf(express, first, second));
    await ask('/', withToken(await issuer.mint()));
    const asked = issuer.requests.map(({ headers }) => headers['x-stack-access-type']);
    expect(asked.filter(Boolean)).toEqual(['client', 'server']);
  });

  test('leave nothing of the first to error handlers where something else has set request.auth', async () => {
    const issuer = await startIssuer();
    const app = express();
    const lenient = optionalUser({ ...issuer.options, allowAnonymous: true });
    const spoil = (request: any, _response: unknown, next: () => void) => {
      request.auth = { sub: 'theirs' };
      next();
    };
    app.use('/both', lenient);
    app.use(spoil, requireUser(issuer.options));
    app.use((error: any, request: any, response: any, _next: unknown) => {
      expect(() => getAuth(request)).toThrow(error);
      response.json({ code: error.code, auth: request.auth });
    });
    const ask = await serve(app);
    const anonymous = withToken(await issuer.mint({ type: 'anonymous' }));
    for (const path of ['/', '/both']) {
      const { body } = await ask(path, anonymous);
      expect(body).toEqual({ code: 'ERR_CONFIG', auth: { sub: 'theirs' } });
    }
  });

  test('leave nothing of the first to error handlers where the second cannot read a token', async () => {
    const issuer = await startIssuer();
    const app = express();
    const spoil = (request: any, _response: unknown, next: () => void) => {
      request.headers['x-stack-auth'] = '{';
      next();
    };
    app.use(requireUser(issuer.options), spoil, requireUser(issuer.options));
    app.use((error: any, request: any, response: any, _next: unknown) => {
      expect(() => getAuth(request)).toThrow(error);
      response.json(error.code);
    });
    const ask = await serve(app);
    expect(await ask('/', withToken(await issuer.mint()))).toMatchObject({
      body: 'ERR_JWS_INVALID',
    });
  });

  test('leave no header of the first refusal where the second decides otherwise', async () => {
    const [one, two] = [await startIssuer(), await startIssuer()];
    const goOn = (_error: unknown, request: any, response: any, next: () => void) => {
      if (request.query.basic !== undefined) response.set('WWW-Authenticate', 'Basic');
      next();
    };
    const app = express();
    app.use(requireUser(one.options), goOn, requireUser(two.options));
    app.use((_request: unknown, response: any) => response.json('let through'));
    app.use(authErrorHandler());
    vi.spyOn(console, 'error').mockImplementation(() => {});
    const ask = await serve(app);
    const ofTwo = withToken(await two.mint());
    const { status, headers } = await ask('/', ofTwo);
    expect([status, headers['www-authenticate']]).toEqual([200, undefined]);
    const others = await ask('/?basic', ofTwo);
    expect([others.status, others.headers['www-authenticate']]).toEqual([200, 'Basic']);

    await refuseConnections(two);
    const outage = await ask('/', withToken(withKid(await two.mint(), 'unknown')));
    expect(outage).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(outage.headers['www-authenticate']).toBeUndefined();

    await acceptConnections(two);
    await refuseConnections(one);
    const refusal = await ask('/', withToken(withKid(await one.mint(), 'unknown')));
    expect(refusal).toMatchObject({ status: 401 });
    expect(refusal.headers['www-authenticate']).toContain('invalid_token');
    expect(refusal.headers['retry-after']).toBeUndefined();
  });
});
