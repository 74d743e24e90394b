import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, onTestFinished, test, vi } from 'vitest';

import { optionalUser, requireUser } from '../express.js';
import { StackAuth } from '../index.js';
import { gate, startIssuer, USER_ID } from './support/cache-issuer.ts';
import { withToken } from './support/express-app.ts';

const response: any = { headersSent: false, setHeader() {} };

/** What a middleware has done by the end of its call, and what it has done in the end. */
async function run(middleware: ReturnType<typeof requireUser>, request: object) {
  const calls: unknown[][] = [];
  const done = new Promise<void>((resolve) => {
    middleware(request as any, response, (...args) => {
      calls.push(args);
      resolve();
    });
  });
  const atOnce = calls.length;
  await done;
  await new Promise((resolve) => setImmediate(resolve));
  return { atOnce, calls };
}

async function warm() {
  const issuer = await startIssuer();
  const client = new StackAuth(issuer.options);
  const token = await issuer.mint();
  await client.verifyJwt(token);
  return { issuer, client, token, request: () => ({ headers: withToken(token) }) as any };
}

describe('the middleware goes on at once', () => {
  test('with a token whose keys are at hand, seen before or not', async () => {
    const { issuer, client, request } = await warm();
    for (const each of [request(), request(), { headers: withToken(await issuer.mint()) }]) {
      expect(await run(requireUser({ client }), each)).toEqual({ atOnce: 1, calls: [[]] });
      expect(each.auth.userId).toBe(USER_ID);
    }
  });

  test('without a token', async () => {
    const { client } = await warm();
    expect(await run(optionalUser({ client }), { headers: {} })).toEqual({
      atOnce: 1,
      calls: [[]],
    });
    expect(await run(requireUser({ client }), { headers: {} })).toMatchObject({
      atOnce: 1,
      calls: [[{ code: 'ERR_TOKEN_MISSING' }]],
    });
  });

  test('with a token that is refused, and says where', async () => {
    const { issuer, client } = await warm();
    const headers = withToken(await issuer.mint({ expiresIn: -10 }));
    const { atOnce, calls } = await run(requireUser({ client }), { headers });
    expect(atOnce).toBe(1);
    expect(calls).toMatchObject([[{ code: 'ERR_JWT_EXPIRED' }]]);
    expect((calls[0]![0] as Error).stack).toContain('at stackAuth ');
  });

  test('and leaves alone what a handler throws', async () => {
    const { client, request } = await warm();
    const calls: unknown[] = [];
    const next = (error: unknown) => {
      calls.push(error);
      throw new Error('of the handler');
    };
    expect(() => requireUser({ client })(request(), response, next)).toThrow('of the handler');
    expect(calls).toEqual([undefined]);
  });
});

describe('the middleware waits', () => {
  test('for the user', async () => {
    const { client, request } = await warm();
    const outcome = await run(requireUser({ client, fetchUser: true }), request());
    expect(outcome).toEqual({ atOnce: 0, calls: [[]] });
  });

  test('for keys, and then looks again at who has set request.auth', async () => {
    const issuer = await startIssuer();
    const request: any = { headers: withToken(await issuer.mint()) };
    const keys = gate();
    issuer.intercept = () => keys.opened;
    const running = run(requireUser(issuer.options), request);
    request.auth = { theirs: true };
    keys.open();
    expect(await running).toMatchObject({ atOnce: 0, calls: [[{ code: 'ERR_CONFIG' }]] });
    expect(request.auth).toEqual({ theirs: true });
  });

  test('for tokens that are checked together, each for its own user', async () => {
    const { issuer, client } = await warm();
    const requests: any[] = await Promise.all(
      Array.from({ length: 40 }, async (_, at) => ({
        headers: withToken(await issuer.mint({ claims: { sub: `user-${at}` } })),
      })),
    );
    const outcomes = await Promise.all(requests.map((each) => run(requireUser({ client }), each)));
    expect(outcomes.filter(({ atOnce }) => atOnce === 0)).not.toHaveLength(0);
    for (const [at, { auth }] of requests.entries()) {
      expect(auth.userId).toBe(`user-${at}`);
    }
  });

  test('for a verifyJwt that somebody has put in place of ours', async () => {
    const { client, issuer, request } = await warm();
    const verified = { payload: { sub: 'mocked', iss: 'https://test' } };
    const verifyJwt = () => Promise.resolve(verified as any);
    class Other extends StackAuth {
      override verifyJwt = verifyJwt;
    }
    const ofPrototype = vi.spyOn(StackAuth.prototype, 'verifyJwt').mockImplementation(verifyJwt);
    onTestFinished(() => ofPrototype.mockRestore());
    const mocked = new StackAuth(issuer.options);
    mocked.verifyJwt = verifyJwt;
    for (const each of [client, mocked, new Other(issuer.options)]) {
      const asked = request();
      expect(await run(requireUser({ client: each }), asked)).toEqual({ atOnce: 0, calls: [[]] });
      expect(asked.auth.userId).toBe('mocked');
    }
    expect(ofPrototype).toHaveBeenCalledTimes(1);
  });

  test('for who listens, who is told of each request', async () => {
    const { client, request } = await warm();
    const heard: any[] = [];
    const listen = (message: unknown) => heard.push(message);
    subscribe('stack-auth-native:verify', listen);
    onTestFinished(() => void unsubscribe('stack-auth-native:verify', listen));
    const middleware = requireUser({ client });
    for (const _ of [1, 2]) {
      expect(await run(middleware, request())).toEqual({ atOnce: 0, calls: [[]] });
    }
    expect(heard).toMatchObject([{ userId: USER_ID }, { userId: USER_ID }]);
  });
});
