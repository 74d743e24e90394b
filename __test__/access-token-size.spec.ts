// What a request may hold beside or in place of one token, and what that may cost.

import { expect, onTestFinished, test, vi } from 'vitest';

import { accessTokenFrom, type RequestLike, StackAuthError } from '../index.js';
import { COOKIES, failure, json, MALFORMED, TOKEN } from './support/places.ts';

test('a token of the greatest length is found, beside another', () => {
  const token = 'x'.repeat(16_384);
  const text = JSON.stringify({ accessToken: token, refreshToken: token });
  expect(accessTokenFrom({ 'x-stack-auth': text })).toBe(token);
  expect(accessTokenFrom({ authorization: `Bearer stackauth_${btoa(text)}` })).toBe(token);
});

// What has thousands of parts takes milliseconds.
test.each<[string, (count: number) => RequestLike]>([
  ['a list', (count) => ({ 'x-stack-access-token': Array(count).fill(TOKEN).join() })],
  ['lines', (count) => ({ 'x-stack-access-token': Array(count).fill(TOKEN) })],
  ['credentials', (count) => ({ authorization: Array(count).fill(`Bearer ${TOKEN}`).join() })],
  [
    'objects',
    (count) => ({
      'x-stack-auth': Array(Math.ceil(count / 3))
        .fill(json(TOKEN))
        .join(),
    }),
  ],
  [
    'members',
    (count) => ({
      'x-stack-auth': `{"accessToken":"${TOKEN}"${',"a":1'.repeat(count - 2)}}`,
    }),
  ],
  [
    'items of a cookie',
    (count) => ({
      cookie: `stack-access=${encodeURIComponent(`["r","${TOKEN}"${',1'.repeat(count - 3)}]`)}`,
    }),
  ],
])('what has more than some 30 parts is refused: %s', (_, headersOf) => {
  expect(accessTokenFrom(headersOf(30), COOKIES)).toBe(TOKEN);
  const headers = headersOf(34);
  const parse = vi.spyOn(JSON, 'parse');
  onTestFinished(() => parse.mockRestore());
  const error = failure(headers, COOKIES);
  expect(parse).not.toHaveBeenCalled();
  expect(error).toMatchObject(MALFORMED);
  const [place] = Object.keys(headers);
  expect(error.message).toMatch(new RegExp(`^(${place}|stack-access) holds`, 'i'));
});

test('what cannot be read takes no time, however long and odd it is', () => {
  const many = 2_000_000;
  const odd: Array<Record<string, string>> = [
    { authorization: `Bearer stackauth_${'A'.repeat(many)}` },
    { authorization: `Bearer${' '.repeat(many)}\nx\n` },
    { authorization: 'Bearer a,'.repeat(many / 10) },
    { authorization: `Bearer stackauth_${'='.repeat(60_000)}` },
    { 'x-stack-auth': '['.repeat(65_000) },
    { 'x-stack-auth': '{"a":'.repeat(13_000) },
    { 'x-stack-access-token': ','.repeat(many) },
    { 'x-stack-access-token': ' '.repeat(many) },
    { cookie: '; stack-access='.repeat(many / 10) },
    { cookie: `stack-access=${'%25'.repeat(20_000)}` },
    Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`x-${index}`, TOKEN])),
  ];
  for (const headers of odd) {
    const begun = process.cpuUsage();
    try {
      accessTokenFrom(headers, COOKIES);
    } catch (error) {
      expect(error).toBeInstanceOf(StackAuthError);
    }
    // Of processors, since the machine may be busy with something else.
    const { user, system } = process.cpuUsage(begun);
    expect((user + system) / 1_000).toBeLessThan(2_000);
  }
});
