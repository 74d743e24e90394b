// Headers that come twice: of `Authorization`, Node keeps the first, and it joins others.

import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';

import { accessTokenFrom, type RequestLike, type StackAuthError } from '../index.js';
import { COOKIES, cookie, encoded, json, OTHER, TOKEN } from './support/places.ts';

/** The token, or the code of the error. */
function find(request: RequestLike) {
  try {
    return accessTokenFrom(request, COOKIES);
  } catch (error) {
    return (error as StackAuthError).code;
  }
}

test('two that differ are an error, though the headers have the first alone', async () => {
  const server = createServer((request, response) => {
    response.end(JSON.stringify([request, request.headers].map(find)));
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ask = async (...credentials: string[]) => {
    const headers = credentials.flatMap((value) => ['AUTHORIZATION', value]);
    const request = httpRequest({
      port,
      headers: ['Host', 'localhost', ...headers],
      agent: false,
    });
    const [response] = await once(request.end(), 'response');
    return JSON.parse(String(await response.toArray()));
  };
  const [one, other] = [`Bearer ${TOKEN}`, `Bearer ${OTHER}`];
  expect(await ask(one, other)).toEqual(['ERR_TOKEN_AMBIGUOUS', TOKEN]);
  expect(await ask('Basic YTpi', one, other)).toEqual(['ERR_TOKEN_AMBIGUOUS', null]);
  expect(await ask(one, `Bearer stackauth_${encoded(TOKEN)}`, one)).toEqual([TOKEN, TOKEN]);
  expect(await ask(one)).toEqual([TOKEN, TOKEN]);
});

test('none is found where it was taken away', () => {
  const rawHeaders = ['Authorization', `Bearer ${TOKEN}`, 'Authorization', `Bearer ${OTHER}`];
  expect(accessTokenFrom({ headers: {}, rawHeaders } as RequestLike)).toBeUndefined();
});

test('the first is the one that the headers have, which a server may have put in its place', () => {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const rawHeaders = ['Authorization', `Bearer ${OTHER}`];
  expect(accessTokenFrom({ headers, rawHeaders } as RequestLike)).toBe(TOKEN);
});

test('an empty one beside another is none', () => {
  const object = json(TOKEN);
  for (const values of [
    ['', object],
    [object, ''],
    [object, '', object],
  ]) {
    expect(accessTokenFrom({ 'x-stack-auth': values })).toBe(TOKEN);
  }
  expect(accessTokenFrom({ 'X-Stack-Auth': '', 'x-stack-auth': object })).toBe(TOKEN);
  expect(accessTokenFrom({ 'x-stack-auth': ['', ''] })).toBeUndefined();
});

test('none is one of another name, or of no name', () => {
  const authorization = `Bearer ${TOKEN}`;
  const twice = ['Authorization', authorization, 'AUTHORIZATION', authorization];
  const requests = [
    { headers: { authorization, 'x-stack-access-token': TOKEN }, rawHeaders: twice },
    {
      headers: { authorization },
      rawHeaders: ['Authorization', authorization, 'If-None-Match', `Bearer ${OTHER}`],
    },
    { headers: { authorization }, rawHeaders: [5, authorization, new Array(13), authorization] },
  ];
  for (const request of requests) {
    expect(accessTokenFrom(request as RequestLike)).toBe(TOKEN);
  }
});

test.each([
  ['x-stack-auth', json, ', '],
  ['cookie', (token: string) => `a=b; stack-access=${cookie(token)}`, '; '],
])('%s counts once, joined or not', (name, headerOf, separator) => {
  const [one, other] = [headerOf(TOKEN), headerOf(OTHER)];
  for (const values of [
    [one, one],
    [one, headerOf('')],
  ]) {
    for (const value of [values, values.join(separator)]) {
      expect(find({ [name]: value })).toBe(TOKEN);
    }
  }
  // Of cookies with one name, the first is that of the narrowest path.
  const expected = name === 'cookie' ? TOKEN : 'ERR_TOKEN_AMBIGUOUS';
  for (const value of [[one, other], [one, other].join(separator)]) {
    expect(find({ [name]: value })).toBe(expected);
  }
});

test('a cookie of the one name comes before that of the other, wherever it is', () => {
  const cookies = [`stack-access=${cookie(OTHER)}`, `hexclave-access=${cookie(TOKEN)}`];
  for (const value of [cookies, cookies.join('; ')]) {
    expect(accessTokenFrom({ cookie: value }, COOKIES)).toBe(TOKEN);
  }
});
