import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { optionalUser, requireUser } from '../express.js';
import { accessTokenFrom, getUser, StackAuth, StackAuthError, verifyJwt } from '../index.js';
import { OPTIONS } from '../lib/options.js';
import { StandIn, userOf } from './support/stand-in.js';
import {
  anythingAnd,
  boom,
  isMade,
  made,
  objectOf,
  ordinary,
  use,
  VALID,
} from './support/values.js';

// Anything at all against the boundary. A failure prints the seed and the smallest case; an unhandled
// rejection fails the run by itself.

let standIn: StandIn;
let token: string;

beforeAll(async () => {
  standIn = await StandIn.start();
  token = await standIn.mint();
  standIn.users.set(userOf({}).id, userOf({}));
});
afterAll(() => standIn.close());

const STATUS: Record<string, number> = {
  ERR_TOKEN_MISSING: 401,
  ERR_TOKEN_AMBIGUOUS: 400,
  ERR_JWT_EXPIRED: 401,
  ERR_JWT_CLAIM_VALIDATION_FAILED: 401,
  ERR_JWT_INVALID: 401,
  ERR_JWS_INVALID: 401,
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 401,
  ERR_JOSE_ALG_NOT_ALLOWED: 401,
  ERR_JOSE_NOT_SUPPORTED: 401,
  ERR_JWKS_NO_MATCHING_KEY: 401,
  ERR_USER_TYPE_NOT_ALLOWED: 403,
  ERR_USER_UNAUTHENTICATED: 401,
  ERR_CONFIG: 500,
  ERR_JWKS_INVALID: 503,
  ERR_JWKS_TIMEOUT: 503,
  ERR_JWKS_FETCH_FAILED: 503,
  ERR_API_TIMEOUT: 503,
  ERR_API_UNAVAILABLE: 503,
  ERR_API_RATE_LIMITED: 503,
};

/** An error as index.d.ts has them, which tells nothing that is secret. */
function expectTyped(error: any) {
  if (error?.name === 'AbortError') {
    expect(error).toMatchObject({ code: 'ABORT_ERR' });
  } else {
    expect(error, inspect(error)).toBeInstanceOf(StackAuthError);
    expect(error).toMatchObject({ status: STATUS[error.code] });
  }
  expect(error.message.length).toBeLessThan(4_000);
  // Without the cause, which is what the caller's own code has thrown.
  const shown = [error.message, error.stack, JSON.stringify(error), String(error.cause?.message)];
  for (const secret of [token, standIn.secretServerKey, ...token.split('.')]) {
    expect(shown.join('\n')).not.toContain(secret);
  }
}

/** A result or a typed rejection, in time; and never a throw in place of a rejection. */
async function settles(call: () => Promise<unknown>) {
  let timer: NodeJS.Timeout | undefined;
  const hangs = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('it hangs')), 10_000);
  });
  const settled = call().then(() => undefined, expectTyped);
  await Promise.race([settled, hangs]).finally(() => clearTimeout(timer));
}

function returnsOrThrows<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    expectTyped(error);
    return undefined;
  }
}

const anything = anythingAnd(
  () => token,
  () => standIn.secretServerKey,
);

const hereOnly = ['http://127.0.0.1:1', 'http://localhost:1', 'http://[::1]:1'];
/** Members of options, right and wrong ones, that ask nobody who is not on this machine. */
const members = fc.record(
  Object.fromEntries(
    Object.entries({ ...VALID, baseUrl: fc.constantFrom(...hereOnly) }).map(([name, valid]) => [
      name,
      fc.oneof(valid, anything),
    ]),
  ),
  { requiredKeys: [] },
);
const SHAPES: Array<(members: object) => unknown> = [
  (members) => ({ ...standIn.options, ...members }),
  (members) => Object.freeze({ projectId: 'p', baseUrl: hereOnly[0], ...members }),
  (members) => Object.assign(Object.create(null), { baseUrl: hereOnly[0] }, members),
  (members) => Object.create(members),
  (members) => Object.defineProperty({ ...members }, 'projectId', { get: boom, enumerable: true }),
  (members) => Object.defineProperty({ ...members }, 'keys', { get: boom, enumerable: true }),
  (members) => ({ ...standIn.options, ...members, unheardOf: true }),
  (members) => new Proxy({ ...standIn.options, ...members }, {}),
  (members) => Object.entries(members),
];
const hostile = fc.oneof({ weight: 4, arbitrary: members }, anything).chain((members) =>
  fc.constantFrom(...SHAPES).map((shape) =>
    isMade(members) || typeof members !== 'object' || members === null
      ? members
      : made(
          () => shape(objectOf(members)),
          () => `${shape}(${fc.stringify(members)})`,
        ),
  ),
);

/** The usual token among them, or one like it. */
const tokens = fc.oneof(
  anything,
  fc.constant(0).map(() => token),
  fc.tuple(fc.nat(), fc.constantFrom('', '.', '=', '\0', '\ud800', 'é', 'A')).map(([at, text]) => {
    const place = at % token.length;
    return token.slice(0, place) + text + token.slice(place + 1);
  }),
);

describe('whatever comes', () => {
  test.each([
    ['verifyJwt', verifyJwt],
    ['getUser', getUser],
  ])('%s resolves, or rejects with what is documented', async (_name, ask) => {
    await fc.assert(
      fc.asyncProperty(tokens, hostile, (accessToken, options) =>
        settles(() => ask(use(accessToken) as string, use(options) as object)),
      ),
      { numRuns: 400 },
    );
  });

  test('a client is made or refused, and so is what is asked of it', async () => {
    await fc.assert(
      fc.asyncProperty(hostile, tokens, hostile, async (options, accessToken, perCall) => {
        returnsOrThrows(() => new StackAuth(use(options) as object));
        const client = new StackAuth(standIn.options);
        const token = use(accessToken) as string;
        await settles(() => client.verifyJwt(token, use(perCall) as object));
        await settles(() => client.getUser(token, use(perCall) as object));
      }),
      { numRuns: 300 },
    );
  });

  test('a middleware is made or refused, and calls next', async () => {
    const own = fc.record(
      { client: anything, fetchUser: anything, cookies: anything },
      { requiredKeys: [] },
    );
    const options = fc.oneof(
      hostile,
      fc.tuple(members, own).map((parts) => {
        const all = Object.assign({}, ...parts);
        return made(
          () => ({ ...standIn.options, ...objectOf(all) }),
          () => fc.stringify(all),
        );
      }),
    );
    await fc.assert(
      fc.asyncProperty(options, tokens, async (options, accessToken) => {
        for (const make of [requireUser, optionalUser]) {
          const middleware = returnsOrThrows(() => make(use(options) as object));
          const request: any = { headers: { 'x-stack-access-token': use(accessToken) } };
          const response: any = { headersSent: false, setHeader() {} };
          if (middleware) {
            await settles(
              () =>
                new Promise<void>((resolve, reject) => {
                  middleware(request, response, (error) => (error ? reject(error) : resolve()));
                }),
            );
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test('a token is found in a request, or it is told why not', () => {
    const headers = fc.dictionary(
      fc.constantFrom('authorization', 'cookie', 'x-stack-access-token', 'x-stack-auth', 'get'),
      ordinary,
    );
    const requests = fc.oneof(
      anything,
      headers,
      headers.map((headers) => ({ headers })),
      anything.map((headers) => ({ headers })),
    );
    const options = fc.oneof(fc.constant({ cookies: true }), anything);
    fc.assert(
      fc.property(requests, options, (request, options) => {
        const found = returnsOrThrows(() =>
          accessTokenFrom(use(request) as any, use(options) as object),
        );
        expect(['string', 'undefined']).toContain(typeof found);
      }),
      { numRuns: 1_000 },
    );
  });
});

test('options of every kind that is allowed are taken', async () => {
  expect(Object.keys(VALID)).toEqual(Object.keys(OPTIONS));
  const valid = fc.record(VALID, { requiredKeys: ['projectId'] });
  fc.assert(
    fc.property(valid, (options) => {
      new StackAuth(options as object);
      requireUser(options as object);
    }),
    { numRuns: 300 },
  );
});

test('a good token is good under all options that allow it', async () => {
  const { projectId, secretServerKey, baseUrl, keys, currentDate, ...others } = VALID;
  const valid = fc.record(
    { ...others, timeout: fc.constant(20_000), currentDate: fc.constant(0).map(() => new Date()) },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(valid, async (more) => {
      const options = { ...standIn.options, ...more };
      expect((await verifyJwt(token, options)).payload).toMatchObject({ sub: userOf({}).id });
      expect(await getUser(token, options)).toEqual(userOf({}));
    }),
    { numRuns: 100 },
  );
});

test('a token of which one character is another is refused', async () => {
  const alphabet = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.='];
  const changes = fc.tuple(fc.nat(), fc.constantFrom(...alphabet), fc.constantFrom(0, 1));
  await fc.assert(
    fc.asyncProperty(changes, async ([at, text, removed]) => {
      const place = at % (token.length + 1);
      const changed = token.slice(0, place) + text + token.slice(place + removed);
      fc.pre(changed !== token);
      const error: any = await verifyJwt(changed, standIn.options).then(
        () => expect.unreachable('it was accepted'),
        (error) => error,
      );
      expectTyped(error);
      expect([401, 403]).toContain(error.status);
    }),
    { numRuns: 1_000 },
  );
});

test('a token of which one character is another with the same low byte is refused', async () => {
  await verifyJwt(token, standIn.options);
  for (const [at, character] of [...token].entries()) {
    const other = String.fromCharCode(character.charCodeAt(0) + 0x100);
    const changed = token.slice(0, at) + other + token.slice(at + 1);
    await expect(verifyJwt(changed, standIn.options)).rejects.toMatchObject({
      code: 'ERR_JWS_INVALID',
    });
  }
});

test('a polluted prototype changes nothing', async () => {
  // Of those, Node's own servers take a signal from there.
  const options = Object.keys(OPTIONS).filter((name) => name !== 'signal');
  const names = fc.constantFrom(...options, 'code', 'message', 'cause', 'details', 'jwks', 'uat');
  const { payload } = await verifyJwt(token, standIn.options);
  await fc.assert(
    fc.asyncProperty(names, anything, async (name, given) => {
      const polluted = { value: use(given), configurable: true, writable: true };
      Object.defineProperty(Object.prototype, name, polluted);
      try {
        const found = await verifyJwt(token, standIn.options);
        const refused = await verifyJwt('x', standIn.options).catch(({ code }) => code);
        const user = getUser(token, standIn.options);
        delete (Object.prototype as any)[name];
        expect(found.payload).toEqual(payload);
        expect(refused).toBe('ERR_JWS_INVALID');
        expect(await user).toEqual(userOf({}));
      } finally {
        delete (Object.prototype as any)[name];
      }
    }),
    { numRuns: 150 },
  );
});
