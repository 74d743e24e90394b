import { expect } from 'vitest';

import { getUser, StackAuth, verifyJwt } from '../../index.js';

/** The same for both functions and the client: nothing but an ERR_CONFIG, and no synchronous throw. */
export function refusalsOf(token: () => string) {
  return async (options: unknown, message: string | RegExp) => {
    const config = { name: 'StackAuthError', code: 'ERR_CONFIG', status: 500, retryable: false };
    const expected = { ...config, message: expect.stringMatching(message) };
    await expect(verifyJwt(token(), options as object)).rejects.toMatchObject(expected);
    await expect(getUser(token(), options as object)).rejects.toMatchObject(expected);
    expect(() => new StackAuth(options as object)).toThrow(expect.objectContaining(expected));
  };
}
