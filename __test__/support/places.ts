import { expect } from 'vitest';

import { accessTokenFrom, type RequestLike, StackAuthError } from '../../index.js';

export const TOKEN = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl';
export const OTHER = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl';

// Texts whose base64 has both characters that base64url replaces, and padding.
const container = (accessToken: unknown) => ({ accessToken, refreshToken: '??>>ÿ~' });
export const json = (accessToken: unknown) => JSON.stringify(container(accessToken));
export const encoded = (accessToken: unknown, encoding: BufferEncoding = 'base64') =>
  Buffer.from(json(accessToken)).toString(encoding);
export const cookie = (accessToken: unknown) =>
  encodeURIComponent(JSON.stringify(['a refresh token', accessToken]));

/** Each place, as a header that has the token there. */
export const PLACES: Array<[name: string, header: (token: unknown) => [string, string]]> = [
  ['x-hexclave-access-token', (token) => ['x-hexclave-access-token', String(token)]],
  ['x-stack-access-token', (token) => ['x-stack-access-token', String(token)]],
  ['Bearer stackauth_', (token) => ['authorization', `Bearer stackauth_${encoded(token)}`]],
  ['Bearer hexclave_', (token) => ['authorization', `Bearer hexclave_${encoded(token)}`]],
  [
    'Bearer stackauth_ in base64url',
    (token) => ['authorization', `Bearer stackauth_${encoded(token, 'base64url')}`],
  ],
  ['Bearer', (token) => ['authorization', `Bearer ${token}`]],
  ['x-stack-auth', (token) => ['x-stack-auth', json(token)]],
  ['the cookie hexclave-access', (token) => ['cookie', `a=b; hexclave-access=${cookie(token)}; c`]],
  ['the cookie stack-access', (token) => ['cookie', `stack-access=${cookie(token)}`]],
];
export const COOKIES = { cookies: true };

export function failure(headers: RequestLike, options?: { cookies: boolean }): StackAuthError {
  try {
    accessTokenFrom(headers, options);
  } catch (error) {
    expect(error).toBeInstanceOf(StackAuthError);
    return error as StackAuthError;
  }
  return expect.unreachable('a token was found');
}

export const MALFORMED = { code: 'ERR_JWS_INVALID', status: 401, retryable: false };
export const AMBIGUOUS = { code: 'ERR_TOKEN_AMBIGUOUS', status: 400, retryable: false };
