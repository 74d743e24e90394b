import * as jose from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { getUser, StackAuth, StackAuthError, verifyJwt } from '../index.js';
import { StandIn } from './support/stand-in.js';
import { expectNothingOf } from './support/tokens.js';
import { start } from './support/verify.js';

let standIn: StandIn;
let token: string;

beforeAll(async () => {
  standIn = await StandIn.start();
  token = await standIn.mint();
});
afterAll(() => standIn.close());

/** The rejection of a call, which must be one. */
async function rejection(call: Promise<unknown>): Promise<any> {
  return call.then(
    () => expect.unreachable('it was not rejected'),
    (error) => error,
  );
}

describe('a StackAuthError', () => {
  test('is an Error with a name, a code, a status and a word on retrying', async () => {
    const error = await rejection(verifyJwt('nonsense', standIn.options));
    expect(error).toBeInstanceOf(StackAuthError);
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe('StackAuthError');
    expect(Object.keys(error).sort()).toEqual(['code', 'retryable', 'status']);
    const config = await rejection(verifyJwt(token, 5 as any));
    for (const each of [error, config]) {
      expect(Object.hasOwn(each, 'cause')).toBe(false);
    }
    expect(String(error)).toMatch(/^StackAuthError: Invalid Compact JWS/);
  });

  test('has the code of jose where jose has one, so that old catch blocks go on working', async () => {
    const expired = await standIn.mint({ expiresIn: -10 });
    const error = await rejection(verifyJwt(expired, standIn.options));
    const { code } = new jose.errors.JWTExpired('', {});
    expect(error).toMatchObject({ code, claim: 'exp', reason: 'check_failed', status: 401 });
  });

  test('says what was expected and what was found', async () => {
    const foreign = await standIn.mint({ base: 'https://elsewhere.example' });
    const error = await rejection(verifyJwt(foreign, standIn.options));
    expect(error.message).toBe(
      `unexpected "iss" claim value: expected "${standIn.url}/api/v1/projects/${standIn.projectId}", ` +
        `found "https://elsewhere.example/api/v1/projects/${standIn.projectId}"`,
    );
  });

  test('has a stack that points at the caller, whether or not there was a wait', async () => {
    async function theCallerOfThis(call: () => Promise<unknown>) {
      return rejection(call());
    }
    const unreachable = { ...standIn.options, baseUrl: 'http://127.0.0.1:9' };
    const client = new StackAuth(unreachable);
    const calls = {
      atOnce: () => verifyJwt('nonsense', standIn.options),
      afterAWait: () => verifyJwt(token, unreachable),
      ofConfig: () => verifyJwt(token, { timeout: -1 }),
      ofGetUserAtOnce: () => getUser('nonsense', standIn.options),
      ofGetUser: () => getUser(token, { ...unreachable, timeout: 300 }),
      ofAMethod: () => client.verifyJwt(token),
      ofGetUserOfAClient: () => client.getUser('nonsense'),
      ofWarmUp: () => client.warmUp(),
    };
    for (const [name, call] of Object.entries(calls)) {
      const { stack } = await theCallerOfThis(call);
      expect(stack, name).toContain('theCallerOfThis');
      expect(stack, name).toContain('errors.spec.ts');
    }
    for (const call of [
      calls.atOnce,
      calls.afterAWait,
      calls.ofGetUserAtOnce,
      calls.ofGetUserOfAClient,
    ]) {
      const { stack } = await theCallerOfThis(call);
      expect(stack.split('\n')[1]).toContain('errors.spec.ts');
    }
  });

  test('is itself whatever is made of stacks', async () => {
    const { prepareStackTrace, stackTraceLimit } = Error;
    const { options } = standIn;
    const codes = async () => [
      (await rejection(verifyJwt('nonsense', options))).code,
      (await rejection(getUser('nonsense', options))).code,
      (await rejection(getUser(token, { ...options, secretServerKey: 'ssk_wrong' }))).code,
      (await rejection(verifyJwt(token, { ...options, signal: AbortSignal.abort() }))).code,
    ];
    const expected = ['ERR_JWS_INVALID', 'ERR_JWS_INVALID', 'ERR_CONFIG', 'ABORT_ERR'];
    try {
      Error.prepareStackTrace = (_error, frames) => frames;
      expect(await codes()).toEqual(expected);
      Error.prepareStackTrace = () => {
        throw new Error('no stack');
      };
      expect(await codes()).toEqual(expected);
      Error.prepareStackTrace = prepareStackTrace;
      Error.stackTraceLimit = 0;
      expect(await codes()).toEqual(expected);
    } finally {
      Object.assign(Error, { prepareStackTrace, stackTraceLimit });
    }
  });

  test('has a cause that says what the network said', async () => {
    const error = await rejection(
      verifyJwt(token, { ...standIn.options, baseUrl: 'http://127.0.0.1:9' }),
    );
    expect(error.code).toBe('ERR_JWKS_FETCH_FAILED');
    expect(String(error.cause)).toMatch(/refused/i);
    expect(String(error.cause), 'the message has it').not.toContain('/api/v1/');
    expect(error.cause.stack).toBe(String(error.cause));
  });
});

describe('a token', () => {
  test.each([
    ...[undefined, null, 5, 5n, true, Symbol('e30.e30.AA'), () => {}],
    ...[{}, [], ['e30.e30.AA'], new String('e30.e30.AA'), Buffer.from('e30.e30.AA')],
  ])('that is no string is a rejection, never a throw, and asks nobody: %o', async (value) => {
    const { requests, options } = await start();
    for (const call of [verifyJwt, getUser]) {
      const error = await rejection(call(value as string, options));
      expect(error).toMatchObject({ code: 'ERR_JWS_INVALID', status: 401, retryable: false });
    }
    expect(requests).toEqual([]);
  });

  test.each([
    ['ä'.repeat(20_000)],
    ['.'.repeat(20_000)],
    ['a.b.c\0'],
    ['\ud800.\udfff.x'],
    [`${'x'.repeat(50_000_000)}`],
  ])('of odd text is refused', async (text) => {
    const error = await rejection(verifyJwt(text, standIn.options));
    expect(error.code).toBe('ERR_JWS_INVALID');
    expect(error.message.length).toBeLessThan(300);
  });

  test('is refused at once by a call that can be aborted, too', async () => {
    const { signal } = new AbortController();
    for (const call of [verifyJwt, getUser]) {
      const error = await rejection(call('nonsense', { ...standIn.options, signal }));
      expect(error).toMatchObject({ code: 'ERR_JWS_INVALID', status: 401 });
    }
  });

  test('is in no rejection', async () => {
    const [header, payload, signature] = token.split('.') as [string, string, string];
    const bad = [
      `${header}.${payload}.${signature.slice(0, -4)}AAAA`,
      `${header}.${payload}.${signature}!`,
      `${header}.${payload}`,
      `x${token}`,
      await standIn.mint({ expiresIn: -1 }),
      await standIn.mint({ type: 'anonymous' }),
      await standIn.mint({ projectId: 'other' }),
    ];
    for (const text of bad) {
      expectNothingOf(text, await rejection(getUser(text, standIn.options)));
    }
  });
});

describe('an AbortError', () => {
  test('has a name, a code, a status, the reason as its cause, and a stack', async () => {
    const reason = new Error('the client went away');
    const error = await rejection(
      verifyJwt(token, { ...standIn.options, signal: AbortSignal.abort(reason) }),
    );
    expect(error).toMatchObject({
      name: 'AbortError',
      code: 'ABORT_ERR',
      status: 503,
      cause: reason,
    });
    expect(error).not.toBeInstanceOf(StackAuthError);
    expect(error.stack).toContain('errors.spec.ts');
  });
});
