// Values for fast-check to choose from.

import fc from 'fast-check';

export const boom = () => {
  throw new Error('boom');
};
const TRAPS: Array<keyof ProxyHandler<object>> = [
  'get',
  'has',
  'ownKeys',
  'getOwnPropertyDescriptor',
  'getPrototypeOf',
];

/** Values that are hard to look at, made anew for each case. */
const ODD: Array<() => unknown> = [
  () => Symbol('s'),
  () => 10n ** 40n,
  () => Number.NaN,
  () => Number.NEGATIVE_INFINITY,
  () => Number.MAX_VALUE,
  () => -0,
  () => '\ud800',
  () => 'a\udfff.b.c',
  () => '\0',
  () => 'x'.repeat(3_000_000),
  () => '\u{1f511}'.repeat(1_000),
  () => new String('text'),
  () => new Date(Number.NaN),
  () => Object.create(null),
  () => Object.freeze({ projectId: 'p' }),
  () => {
    const cycle: any = [];
    cycle.push({ cycle });
    return cycle;
  },
  () => new Proxy({}, Object.fromEntries(TRAPS.map((trap) => [trap, boom]))),
  () => new Proxy([], Object.fromEntries(TRAPS.map((trap) => [trap, boom]))),
  () => new Proxy(() => {}, Object.fromEntries(TRAPS.map((trap) => [trap, boom]))),
  () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  () => {
    const { proxy, revoke } = Proxy.revocable<unknown[]>([], {});
    revoke();
    return proxy;
  },
  () => ({ toString: boom, valueOf: boom, toJSON: boom, [Symbol.toPrimitive]: boom }),
  () => ({
    get jwks() {
      return boom();
    },
    uat: 0,
  }),
  () => ({ jwks: { toJSON: boom }, uat: 0 }),
  () => ({ jwks: { keys: [{ kid: 1n }] }, uat: 1e308 }),
  () => ({ jwks: { keys: [] }, uat: -1e308 }),
  () => ({
    get aborted() {
      return boom();
    },
  }),
  () => AbortSignal.abort(new Error('by the caller')),
  () => AbortSignal.timeout(1),
  () => async () => {},
  () => Buffer.from('text'),
];

/** A value to be made when it is used, for fast-check itself would look into it. */
interface Made {
  make(): unknown;
  [fc.toStringMethod](): string;
}

export function made(make: () => unknown, show = () => String(make)): Made {
  return { make, [fc.toStringMethod]: show };
}

export const isMade = (value: any): value is Made => typeof value?.make === 'function';

/** Of members of which some are to be made. */
export function objectOf(members: object): Record<string, unknown> {
  const entries = Object.entries(members);
  return Object.fromEntries(entries.map(([name, value]) => [name, use(value)]));
}

export function use(value: unknown): unknown {
  return isMade(value) ? value.make() : value;
}

export const ordinary = fc.oneof(
  fc.anything({
    withBigInt: true,
    withBoxedValues: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true,
  }),
  fc.string({ unit: 'binary' }),
  fc.double(),
);

/** Anything at all, and what the spec has besides. */
export function anythingAnd(...own: Array<() => unknown>): fc.Arbitrary<unknown> {
  const odd = fc.constantFrom(...ODD, ...own).map((make) => made(make));
  return fc.oneof(odd, ordinary);
}

const millis = fc.double({ min: 0, max: 2 ** 31 - 1, noNaN: true });
/** Values that each option may have. */
export const VALID: Record<string, fc.Arbitrary<unknown>> = {
  projectId: fc.stringMatching(/^[A-Za-z0-9-]{1,64}$/),
  secretServerKey: fc.stringMatching(/^[!-~]{1,80}$/),
  publishableClientKey: fc.stringMatching(/^[!-~]{1,80}$/),
  accessType: fc.constantFrom('server', 'client'),
  baseUrl: fc.webUrl({ validSchemes: ['https'] }),
  allowInsecureHttp: fc.boolean(),
  issuerBaseUrls: fc.array(fc.webUrl(), { maxLength: 4 }),
  allowRestricted: fc.boolean(),
  allowAnonymous: fc.boolean(),
  clockTolerance: fc.double({ min: 0, max: Number.MAX_VALUE, noNaN: true }),
  currentDate: fc.date({ noInvalidDate: true }),
  timeout: fc.double({ min: 1, max: 2 ** 31 - 1, noNaN: true }),
  signal: fc.constant(0).map(() => new AbortController().signal),
  cacheMaxAge: millis,
  staleIfError: millis,
  keys: fc.record({
    jwks: fc.record({ keys: fc.array(fc.jsonValue() as fc.Arbitrary<any>, { maxLength: 64 }) }),
    uat: fc.double({ noNaN: true, noDefaultInfinity: true }),
  }),
  maxAge: millis,
  // Each number has memory of its own, so there are only a few.
  tokenCacheBytes: fc.constantFrom(0, 0.5, 1, 65_536, 16_777_216),
};
