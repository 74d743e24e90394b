import { expect, test, vi } from 'vitest';

import { optionalUser, requireUser } from '../express.js';
import { accessTokenFrom, StackAuth } from '../index.js';
import { startIssuer } from './support/cache-issuer.js';

type Middleware = ReturnType<typeof requireUser>;

/** What one middleware after the other hands to `next`; the first error ends it. */
async function through(request: object, ...middlewares: Middleware[]): Promise<any> {
  const response = { headersSent: false, setHeader() {} };
  for (const middleware of middlewares) {
    const error = await new Promise((next) => middleware(request as any, response, next));
    if (error !== undefined) {
      return error;
    }
  }
  return undefined;
}

test('a polluted prototype lets nobody through whom the route refuses', async () => {
  const issuer = await startIssuer();
  const headers = { 'x-stack-access-token': await issuer.mint({ type: 'anonymous' }) };
  const lax = optionalUser({ ...issuer.options, allowAnonymous: true });
  const strict = requireUser(issuer.options);
  (Object.prototype as any).allowAnonymous = true;
  try {
    expect(await through({ headers }, lax, strict)).toMatchObject({ status: 403 });
  } finally {
    delete (Object.prototype as any).allowAnonymous;
  }
});

test('a polluted prototype puts no client in the place of ours', async () => {
  const { options } = await startIssuer();
  const verifyJwt = async () => ({ payload: { sub: 'mallory' } });
  (Object.prototype as any).client = { verifyJwt, getUser() {}, stats() {} };
  try {
    const headers = { authorization: 'Bearer nonsense' };
    const refused = await through({ headers }, requireUser(options));
    expect(refused).toMatchObject({ code: 'ERR_JWS_INVALID' });
  } finally {
    delete (Object.prototype as any).client;
  }
});

test('a polluted prototype gives no request a token', () => {
  (Object.prototype as any).headers = { authorization: 'Bearer mallory' };
  (Array.prototype as any)[1] = 'mallory';
  try {
    expect(accessTokenFrom({ 'x-stack-access-token': 'ada' })).toBe('ada');
    const cookie = `stack-access=${encodeURIComponent('["refresh"]')}`;
    expect(accessTokenFrom({ cookie }, { cookies: true })).toBeUndefined();
  } finally {
    delete (Object.prototype as any).headers;
    delete (Array.prototype as any)[1];
  }
});

test('a client of which little is mocked still answers', async () => {
  const client: any = { verifyJwt() {}, getUser() {}, stats() {} };
  const missing = await through({ headers: {} }, requireUser({ client }));
  expect(missing).toMatchObject({ code: 'ERR_TOKEN_MISSING', status: 401 });

  const error = Object.assign(new Error('of another version'), {
    name: 'StackAuthError',
    code: 'X',
  });
  client.verifyJwt = () => Promise.reject(error);
  expect(await through({ headers: { authorization: 'Bearer t' } }, requireUser({ client }))).toBe(
    error,
  );
});

test('an error of another client sets the headers that it has', async () => {
  const headers = { 'Retry-After': '5' };
  const late = { name: 'StackAuthError', code: 'ERR_JWKS_TIMEOUT', status: 503, headers };
  const error = Object.assign(new Error('late'), late);
  const verifyJwt = () => Promise.reject(error);
  const client: any = { verifyJwt, getUser() {}, stats() {} };
  const set = vi.fn();
  const request: any = { headers: { authorization: 'Bearer t' } };
  await new Promise((next) =>
    requireUser({ client })(request, { headersSent: false, setHeader: set }, next),
  );
  expect(set.mock.calls).toEqual([['Retry-After', '5']]);
});

test('an error of another kind sets no headers', async () => {
  const error = Object.assign(new Error('theirs'), { headers: { 'x-theirs': '1' } });
  const client: any = { verifyJwt: () => Promise.reject(error), getUser() {}, stats() {} };
  const set = vi.fn();
  const request: any = { headers: { authorization: 'Bearer t' } };
  const passed = await new Promise((next) =>
    requireUser({ client })(request, { headersSent: false, setHeader: set }, next),
  );
  expect(passed).toBe(error);
  expect(set).not.toHaveBeenCalled();
});

test('a client by way of an heir or a Proxy is told of', async () => {
  const own = new StackAuth({ projectId: 'p' });
  for (const client of [Object.create(own), new Proxy(own, {})]) {
    const error = await through(
      { headers: { authorization: 'Bearer t' } },
      requireUser({ client }),
    );
    expect(error).toMatchObject({ code: 'ERR_CONFIG' });
  }
});
