import { expect, onTestFinished } from 'vitest';

import { startStackAuth, type UserType } from '../../testing.js';

export const TYPES: UserType[] = ['regular', 'restricted', 'anonymous'];

/** The test kit's stand-in, for one test. */
export async function start(options?: Parameters<typeof startStackAuth>[0]) {
  const stack = await startStackAuth(options);
  onTestFinished(() => stack.stop());
  return stack;
}

export const textOf = (part: string | undefined) => Buffer.from(part ?? '', 'base64url').toString();

/** The bytes of a known error, and its headers. */
export async function expectKnown(response: Response, known: any) {
  expect(await response.text()).toBe(new TextDecoder().decode(known.getBody()));
  expect(response.status).toBe(known.statusCode);
  for (const [name, values] of Object.entries(known.getHeaders())) {
    expect([response.headers.get(name)]).toEqual(values);
  }
}
