import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, onTestFinished, test, vi } from 'vitest';

import { getAuth, optionalUser, requireUser } from '../express.js';
import { StackAuth } from '../index.js';
import { gate, startIssuer, USER_ID } from './support/cache-issuer.ts';
import { withToken } from './support/express-app.ts';

const response: any = { headersSent: false, setHeader() {} };

/** A `next` whose handler throws. */
const throwing = (_error?: unknown) => {
  throw new Error('of the handler');
};

const NativePromise = Promise;

/** A promise that is not one of V8's, as some libraries have it. */
class OtherPromise {
  readonly #promise: Promise<unknown>;

  constructor(work: (resolve: any, reject: any) => void) {
    this.#promise = new NativePromise(work);
  }

  // biome-ignore lint/suspicious/noThenProperty: what it is for
  then(resolve: any, reject: any) {
    return this.#promise.then(resolve, reject);
  }
}
Object.setPrototypeOf(OtherPromise, NativePromise);

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
    const next = vi.fn(throwing);
    expect(() => requireUser({ client })(request(), response, next)).toThrow('of the handler');
    expect(next.mock.calls).toEqual([[]]);
  });
});

describe('the middleware waits', () => {
  test('for the user', async () => {
    const { client, request } = await warm();
    const outcome = await run(requireUser({ client, fetchUser: true }), request());
    expect(outcome).toEqual({ atOnce: 0, calls: [[]] });
  });

  test('and leaves alone what a handler throws', async () => {
    const { client, request } = await warm();
    const next = vi.fn(throwing);
    const listeners = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    onTestFinished(() => {
      for (const listener of listeners) process.on('unhandledRejection', listener);
    });
    const thrown = once(process, 'unhandledRejection');
    requireUser({ client, fetchUser: true })(request(), response, next);
    expect(await thrown).toMatchObject([{ message: 'of the handler' }, {}]);
    expect(next.mock.calls).toEqual([[]]);
  });

  test('for keys, and then looks again at who has set request.auth', async () => {
    const issuer = await startIssuer();
    const request: any = { headers: withToken(await issuer.mint()) };
    const keys = gate();
    issuer.intercept = () => keys.opened;
    const running = run(requireUser(issuer.options), request);
    expect(() => getAuth(request)).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFIG',
        message: expect.stringContaining('has not called next() yet'),
      }),
    );
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

  test('where a server has a Promise of its own', async () => {
    const { issuer, client, token } = await warm();
    const forged = `${token.slice(0, -8)}AAAAAAAA`;
    const cold = new StackAuth({ ...(await startIssuer()).options });
    onTestFinished(() => {
      globalThis.Promise = NativePromise;
    });
    class WithPayload extends NativePromise<any> {
      payload = { sub: 'mallory', iss: 'https://test' };
    }
    for (const theirs of [class extends NativePromise<any> {}, WithPayload, OtherPromise]) {
      globalThis.Promise = theirs as any;
      const requests = Array.from({ length: 6 }, () => ({ headers: withToken(forged) }) as any);
      const running = requests.map((each) => run(requireUser({ client }), each));
      for (const outcome of await NativePromise.all(running)) {
        expect(outcome.calls).toMatchObject([[{ code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' }]]);
      }
      expect(requests.map(({ auth }) => auth)).toEqual(requests.map(() => undefined));
      const unknown = await run(requireUser({ client: cold }), { headers: withToken(token) });
      expect(unknown.calls).toMatchObject([[{ status: 401 }]]);
      await expect(client.verifyJwt(forged)).rejects.toMatchObject({ status: 401 });
      const good = { headers: withToken(await issuer.mint()) };
      expect((await run(requireUser({ client }), good)).calls).toEqual([[]]);
    }
  });
});

describe('what a middleware hands on', () => {
  test.each([undefined, null, 0, '', 'route', 'router'])(
    'is an error, also where a client rejects with %o',
    async (reason) => {
      const { client, request } = await warm();
      client.verifyJwt = () => Promise.reject(reason);
      const { calls } = await run(requireUser({ client }), request());
      expect(calls).toEqual([[expect.any(Error)]]);
    },
  );

  test.each([
    ['of another realm', runInNewContext('new TypeError("of another realm")')],
    ['of a make that has no class', { status: 418 }],
  ])('is the error itself, also one %s', async (_what, reason) => {
    const { client, request } = await warm();
    client.verifyJwt = () => Promise.reject(reason);
    const { calls } = await run(requireUser({ client }), request());
    expect(calls[0]?.[0]).toBe(reason);
  });

  test('is a user of no type where a client of another make names no issuer', async () => {
    const { client, request } = await warm();
    client.verifyJwt = () => Promise.resolve({ payload: { sub: 'mocked' } } as any);
    const asked = request();
    expect(await run(requireUser({ client }), asked)).toEqual({ atOnce: 0, calls: [[]] });
    expect(getAuth(asked)).toMatchObject({ userId: 'mocked', userType: undefined });
  });

  test('is the error, also where a client of another make cannot say when to retry', async () => {
    const { client, request } = await warm();
    const error = Object.assign(new Error(), { name: 'StackAuthError', status: 503 });
    client.verifyJwt = () => Promise.reject(error);
    expect((await run(requireUser({ client }), request())).calls).toEqual([[error]]);
  });

  test('is who calls, also where a response cannot be asked for its headers', async () => {
    const { client, token } = await warm();
    const request: any = { headers: {} };
    const { calls } = await run(requireUser({ client }), request);
    expect(calls).toMatchObject([[{ code: 'ERR_TOKEN_MISSING' }]]);
    Object.assign(request.headers, withToken(token));
    const getHeader = vi.fn(() => {
      throw new Error('of the response');
    });
    const next = vi.fn();
    requireUser({ client })(request, { ...response, getHeader }, next);
    expect(getHeader).toHaveBeenCalled();
    expect(next.mock.calls).toEqual([[]]);
    expect(getAuth(request).userId).toBe(USER_ID);
  });

  test('is an auth of its own, also for nobody', async () => {
    const { client } = await warm();
    const request = { headers: {} };
    await run(optionalUser({ client }), request);
    expect(Object.hasOwn(request, 'auth')).toBe(true);
  });

  test('is gone with the request', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc');
    const { client, request } = await warm();
    const requests: Array<WeakRef<object>> = [];
    while (requests.length < 5) {
      const each = request();
      await run(requireUser({ client, fetchUser: requests.length % 2 === 0 }), each);
      expect(getAuth(each).userId).toBe(USER_ID);
      requests.push(new WeakRef(each));
    }
    // The last one may still be on the stack.
    const isGone = () => {
      gc();
      return requests.filter((each) => each.deref()).length <= 1;
    };
    await vi.waitUntil(isGone, { timeout: 10_000 });
  });

  test('is the word of the last one, where two overlap', async () => {
    const { issuer, client } = await warm();
    const lax = new StackAuth({ ...issuer.options, allowAnonymous: true });
    const request: any = { headers: withToken(await issuer.mint({ type: 'anonymous' })) };
    let resolve = (_: unknown) => {};
    const promise = new Promise<any>((done) => {
      resolve = done;
    });
    const verified = lax.verifyJwt(request.headers['x-stack-access-token']);
    lax.verifyJwt = () => promise;
    const slow = run(requireUser({ client: lax }), request);
    const fast = await run(requireUser({ client }), request);
    expect(fast.calls).toMatchObject([[{ code: 'ERR_USER_TYPE_NOT_ALLOWED' }]]);
    resolve(await verified);
    expect((await slow).calls).toMatchObject([[{ code: 'ERR_CONFIG' }]]);
    expect(request.auth).toBeUndefined();
    expect(() => getAuth(request)).toThrow(fast.calls[0]![0] as Error);
  });

  test('is nothing where the request cannot have it', async () => {
    const { client, request } = await warm();
    const frozen = Object.freeze(request());
    expect((await run(requireUser({ client }), frozen)).calls).toEqual([[expect.any(TypeError)]]);
    expect(() => getAuth(frozen)).toThrow();
  });

  test('leaves nothing pending where the request cannot have it', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    try {
      // Nobody is there to ask for keys, so that what began would fail later.
      const client = new StackAuth({ projectId: 'p', baseUrl: 'http://127.0.0.1:1' });
      const frozen = Object.freeze((await warm()).request());
      expect((await run(requireUser({ client }), frozen)).calls).toEqual([[expect.any(TypeError)]]);
      await sleep(200);
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });
});
