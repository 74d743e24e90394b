import { once } from 'node:events';
import { createServer as createHttpServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';

import { accessTokenFrom, type RequestLike } from '../index.js';
import {
  AMBIGUOUS,
  COOKIES,
  cookie,
  encoded,
  failure,
  json,
  MALFORMED,
  OTHER,
  PLACES,
  TOKEN,
} from './support/places.ts';
import { expectNothingOf } from './support/tokens.ts';

test('the fixtures have what they are to test', () => {
  expect(encoded(TOKEN)).toMatch(/\+|\//);
  expect(encoded(TOKEN)).toMatch(/=$/);
  expect(encoded(TOKEN, 'base64url')).toMatch(/-|_/);
});

describe.each(PLACES)('a token in %s', (_, header) => {
  const [name, value] = header(TOKEN);

  test.each<[string, RequestLike]>([
    ['an object of headers', { [name]: value }],
    ['an object of headers in another case', { [name.toUpperCase()]: value }],
    ['an object of arrays', { [name]: [value, value] }],
    ['Headers', new Headers({ [name]: value })],
    ['a Request', new Request('http://localhost/', { headers: { [name]: value } })],
    ['what has headers', { headers: { host: 'localhost', [name]: value } }],
  ])('is found in %s', (_kind, request) => {
    expect(accessTokenFrom(request, COOKIES)).toBe(TOKEN);
  });

  test('is found in a request that came over HTTP', async () => {
    const server = createHttpServer((request, response) => {
      response.end(accessTokenFrom(request, COOKIES));
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    // Not fetch, which keeps cookies to itself.
    const [response] = await once(
      httpRequest({ port, headers: { [name]: value }, agent: false }).end(),
      'response',
    );
    expect(String(await response.toArray())).toBe(TOKEN);
  });

  test('is none if it is null or empty', () => {
    const nobody =
      name.endsWith('-access-token') || value.startsWith('Bearer ey') ? [''] : ['', null];
    for (const nothing of nobody) {
      const [, empty] = header(nothing);
      expect(accessTokenFrom({ [name]: empty }, COOKIES)).toBeUndefined();
    }
  });
});

test.each([
  ['white space of either kind', ' \t', TOKEN],
  ['a prefix inside', ' ', 'a.hexclave_b.c'],
])('a token in Bearer is all that comes after the scheme: %s', (_, space, token) => {
  expect(accessTokenFrom({ authorization: `Bearer${space}${token}` })).toBe(token);
});

describe('no token', () => {
  test.each<[string, Record<string, string | string[] | undefined>]>([
    ['no headers', {}],
    ['headers that are undefined', { authorization: undefined, cookie: undefined }],
    ['an empty header', { 'x-stack-access-token': '' }],
    ['white space and commas', { 'x-stack-access-token': ' , ,' }],
    ['a scheme alone', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: 'Basic YTpi' }],
    ['a scheme that begins as ours does', { authorization: 'BearerX abc' }],
    ['a scheme that ends as ours does', { authorization: 'XBearer abc' }],
    ['a scheme whose parameter is ours', { authorization: `Digest bearer ${TOKEN}` }],
    ['a scheme and white space that HTTP has not', { authorization: `Bearer\u00a0${TOKEN}` }],
    ['JSON without the member', { 'x-stack-auth': '{"refreshToken":"r"}' }],
    ['base64 without the member', { authorization: `Bearer stackauth_${btoa('{}')}` }],
    ['a cookie without a second item', { cookie: 'stack-access=%5B%22r%22%5D' }],
    ['an empty cookie', { cookie: 'hexclave-access=; =; ;' }],
    ['a cookie whose name ends as ours does', { cookie: `not-stack-access=${cookie(TOKEN)}` }],
    ['names that are on every prototype', { constructor: 'x', 'to-string': 'y' }],
    ['a cookie of our name and one letter more, and no value', { cookie: 'stack-accesss' }],
    [
      'names as long as ours',
      {
        'if-none-match': `Bearer ${TOKEN}`,
        'content-type': json(TOKEN),
        accept: `stack-access=${cookie(TOKEN)}`,
      },
    ],
  ])('is in %s', (_, headers) => {
    expect(accessTokenFrom(headers, COOKIES)).toBeUndefined();
    expect(accessTokenFrom({ headers }, COOKIES)).toBeUndefined();
  });

  test.each([null, 5, 'authorization: Bearer x'])('is in headers that are none: %o', (headers) => {
    expect(accessTokenFrom({ headers } as unknown as RequestLike)).toBeUndefined();
  });

  test.each(['req', 'request', 'raw'])(
    'is in a header called %s, which makes no context of the headers',
    (name) => {
      expect(accessTokenFrom({ [name]: 'x' })).toBeUndefined();
      expect(accessTokenFrom({ [name]: 'x', 'x-stack-access-token': TOKEN })).toBe(TOKEN);
    },
  );

  test('is in a cookie unless it is asked for', () => {
    const headers = { cookie: `hexclave-access=${cookie(TOKEN)}` };
    expect(accessTokenFrom(headers)).toBeUndefined();
    expect(accessTokenFrom(headers, {})).toBeUndefined();
    expect(accessTokenFrom(headers, { cookies: false })).toBeUndefined();
    Object.assign(Object.prototype, { cookies: true, accessToken: TOKEN });
    try {
      expect(accessTokenFrom(headers, {})).toBeUndefined();
      expect(accessTokenFrom({ 'x-stack-auth': '{}' })).toBeUndefined();
    } finally {
      for (const name of ['cookies', 'accessToken']) Reflect.deleteProperty(Object.prototype, name);
    }
  });
});

describe('what cannot be read', () => {
  const bearer = (text: string) => ({ authorization: `Bearer stackauth_${text}` });
  test.each<[string, Record<string, string>]>([
    ['nothing after the prefix', bearer('')],
    ['no base64', bearer('{"accessToken":"secret-secret-secret-secret"}')],
    [
      'base64 with something else in it',
      bearer(`${encoded(TOKEN).slice(0, 8)}!${encoded(TOKEN).slice(8)}`),
    ],
    ['base64 of no JSON', bearer(btoa('secret-secret-secret-secret'))],
    ['base64 of bytes that are no text', bearer('gICA')],
    ['base64 of an array', bearer(btoa('[]'))],
    ['base64 of null', bearer(btoa('null'))],
    ['base64 of a number for a token', bearer(encoded(5))],
    ['base64 of an object for a token', bearer(encoded({ TOKEN }))],
    ['base64 that is too long', bearer(encoded('x'.repeat(49_152)))],
    ['no JSON', { 'x-stack-auth': 'secret-secret-secret-secret' }],
    ['an object and a half', { 'x-stack-auth': `${json(TOKEN)}, {` }],
    ['objects without a comma', { 'x-stack-auth': `${json(TOKEN)} ${json(TOKEN)}` }],
    ['an array of JSON', { 'x-stack-auth': JSON.stringify([TOKEN]) }],
    ['a text of JSON', { 'x-stack-auth': JSON.stringify(TOKEN) }],
    ['a boolean for a token', { 'x-stack-auth': json(false) }],
    ['JSON that is too long', { 'x-stack-auth': json('x'.repeat(65_536)) }],
    ['a cookie of no percent-encoding', { cookie: 'stack-access=%E0%A4%A' }],
    ['a cookie of no JSON', { cookie: 'stack-access=secret-secret-secret-secret' }],
    ['a cookie of no array', { cookie: `stack-access=${encodeURIComponent(json(TOKEN))}` }],
    ['a cookie of a number', { cookie: `stack-access=${cookie(5)}` }],
    ['a cookie that is too long', { cookie: `stack-access=${cookie('x'.repeat(65_536))}` }],
  ])('is refused as a malformed token: %s', (_, headers) => {
    const error = failure(headers, COOKIES);
    expect(error).toMatchObject(MALFORMED);
    expect(error.message).toMatch(
      /^(Authorization|x-stack-auth|stack-access) holds no access token/,
    );
    for (const value of Object.values(headers)) expectNothingOf(value, error);
    expectNothingOf('secret-secret-secret-secret', error);
  });

  test.each<[string, RequestLike]>([
    ['empty values', { 'x-stack-auth': ['', json(TOKEN), ' '] }],
    ['white space in a cookie', { cookie: `a=b;\tstack-access =\t ${cookie(TOKEN)} ` }],
  ])('is not so for %s', (_, headers) => {
    expect(accessTokenFrom(headers, COOKIES)).toBe(TOKEN);
  });

  test('is not made up for by a token elsewhere', () => {
    expect(failure({ 'x-stack-access-token': TOKEN, 'x-stack-auth': '{' })).toMatchObject(
      MALFORMED,
    );
  });

  test('is a matter of cookies only if they count', () => {
    const headers = { 'x-stack-access-token': TOKEN, cookie: 'stack-access=%' };
    expect(accessTokenFrom(headers)).toBe(TOKEN);
    expect(failure(headers, COOKIES)).toMatchObject(MALFORMED);
  });
});

describe('tokens in several places', () => {
  const pairs = PLACES.flatMap(([one, header], index) =>
    PLACES.slice(index + 1)
      .filter(([, other]) => other('')[0] !== header('')[0])
      .map(([name, other]) => [one, name, header, other] as const),
  );

  test.each(pairs)('that differ are an error: %s and %s', (_one, _other, first, second) => {
    const [differing, agreeing] = [OTHER, TOKEN].map((token) =>
      Object.fromEntries([first(TOKEN), second(token)]),
    ) as [Record<string, string>, Record<string, string>];
    const error = failure(differing, COOKIES);
    expect(error).toMatchObject(AMBIGUOUS);
    expectNothingOf(TOKEN, error);
    expectNothingOf(OTHER, error);
    expect(failure(new Headers(differing), COOKIES)).toMatchObject(AMBIGUOUS);
    expect(accessTokenFrom(agreeing, COOKIES)).toBe(TOKEN);
  });

  test.each<[string, RequestLike, RequestLike]>([
    [
      'a header that came twice, as Node joins it',
      { 'x-stack-access-token': `${TOKEN}, ${OTHER}` },
      { 'x-stack-access-token': `${TOKEN}, ${TOKEN}` },
    ],
    [
      'a header whose last two agree',
      { 'x-stack-access-token': `${TOKEN}, ${OTHER}, ${OTHER}` },
      { 'x-stack-access-token': `${TOKEN}, ${TOKEN}, ${TOKEN}` },
    ],
    [
      'a header that came twice, in an array',
      { authorization: [`Bearer ${TOKEN}`, `bearer  ${OTHER}`] },
      { authorization: [`Bearer ${TOKEN}`, `bearer  ${TOKEN}`, 'Basic YTpi'] },
    ],
    [
      'a header that came twice, as Fetch joins it',
      new Headers([
        ['authorization', `Bearer ${TOKEN}`],
        ['authorization', `Bearer stackauth_${encoded(OTHER)}`],
      ]),
      new Headers([
        ['authorization', `Bearer ${TOKEN}`],
        ['authorization', `Bearer stackauth_${encoded(TOKEN)}`],
      ]),
    ],
    [
      'one header in two cases',
      { 'x-stack-access-token': TOKEN, 'X-Stack-Access-Token': OTHER },
      { 'x-stack-access-token': TOKEN, 'X-Stack-Access-Token': TOKEN },
    ],
  ])('may be in %s', (_, differing, agreeing) => {
    expect(failure(differing)).toMatchObject(AMBIGUOUS);
    expect(accessTokenFrom(agreeing)).toBe(TOKEN);
  });

  test('count only where cookies do', () => {
    const headers = { 'x-stack-access-token': TOKEN, cookie: `stack-access=${cookie(OTHER)}` };
    expect(accessTokenFrom(headers)).toBe(TOKEN);
    expect(failure(headers, COOKIES)).toMatchObject(AMBIGUOUS);
  });
});

describe('a mistake of the server', () => {
  test.each([undefined, null, 'x-stack-access-token: x', 5, [['a', 'b']], () => {}])(
    'is what is no request: %o',
    (request) => {
      expect(failure(request as unknown as RequestLike)).toMatchObject({
        code: 'ERR_CONFIG',
        status: 500,
      });
    },
  );

  test('is a header that is a proxy and was revoked, which is no token', () => {
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    const headers = { 'x-stack-access-token': proxy } as Record<string, any>;
    expect(accessTokenFrom({ headers })).toBeUndefined();
  });

  test('is a header that cannot be read', () => {
    const boom = new Error('boom');
    const get = () => {
      throw boom;
    };
    const headers = { 'x-stack-access-token': new Proxy([], { get }) };
    expect(failure({ headers })).toMatchObject({ code: 'ERR_CONFIG', cause: boom });
  });

  test.each<[string, unknown]>([
    ['a token', TOKEN],
    ['an array of tokens', [TOKEN]],
  ])('is %s in place of a request, which no message repeats', (_, request) => {
    expectNothingOf(TOKEN, failure(request as RequestLike));
  });

  test('is a promise of headers, as Next.js gives it', () => {
    const error = failure(Promise.resolve(new Headers()) as unknown as RequestLike);
    expect(error).toMatchObject({ code: 'ERR_CONFIG' });
    expect(error.message).toContain('found a promise');
  });

  test.each<[string, unknown]>([
    ['a promise', Promise.resolve(new Headers())],
    ['a promise', Object.assign(Promise.resolve(), { state: 'with members of its own' })],
    ['a function', () => new Headers()],
  ])('has headers that are %s', (what, headers) => {
    const error = failure({ headers } as unknown as RequestLike);
    expect(error).toMatchObject({ code: 'ERR_CONFIG' });
    expect(error.message).toContain(`found headers that are ${what}`);
  });

  test.each([
    ['Hono', 'req', { req: { raw: {} }, get: () => undefined }],
    ['Hono', 'raw', { raw: new Request('http://localhost/') }],
    ['tRPC', 'req', { req: { headers: { authorization: `Bearer ${TOKEN}` } }, res: {} }],
    ['SvelteKit', 'request', { request: new Request('http://localhost/') }],
  ])('is the context of %s, which has a request as its %s', (_, name, context) => {
    const error = failure(context as unknown as RequestLike);
    expect(error).toMatchObject({ code: 'ERR_CONFIG' });
    expect(error.message).toContain(`hand over its "${name}"`);
  });

  test.each([{ cookie: true }, { cookies: 'yes' }, { cookies: 1 }, true])(
    'is an option that is none: %o',
    (options) => {
      expect(failure({}, options as { cookies: boolean })).toMatchObject({ code: 'ERR_CONFIG' });
    },
  );
});
