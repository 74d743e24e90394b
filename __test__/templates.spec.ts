import { createRequire } from 'node:module';
import { createContext, Script } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StackAuth } from '../index.js';
import { mint, newSigner } from '../stress/tokens.js';
import { peek } from './support/differential/peek.js';
import { sign } from './support/tokens.js';

const require = createRequire(import.meta.url);

/** By themselves, for no two tokens of a process have one number, and here they do. */
function load() {
  delete require.cache[require.resolve('../lib/templates.js')];
  return require('../lib/templates.js').Templates;
}

/** What a template takes besides its JSON. */
const OBJECT = 400;
const header = { alg: 'ES256', kid: 'k' };
/** Of the length that is usual. */
const name = 'Ada'.repeat(130);
const result = (n: number, claims = {}) => ({
  payload: { n, name, ...claims },
  protectedHeader: header,
});
const json = (n: number, claims?: object) => JSON.stringify(result(n, claims));
const LENGTH = json(1_000).length + OBJECT;
/** With room for so many results of that length. */
const roomFor = (count: number, Templates = load()) => new Templates(count * LENGTH);

test('a result is copied, by its number alone', () => {
  const templates = roomFor(100);
  expect(templates.copy(1)).toBeUndefined();
  const added = templates.add(1, json(1));
  const copies = [templates.copy(1), templates.copy(1)];
  expect([added, ...copies]).toStrictEqual([result(1), result(1), result(1)]);
  for (const other of [0, 2, 65, 1 + 2 ** 32, 2 ** 53 - 1]) {
    expect(templates.copy(other)).toBeUndefined();
  }
});

test.each([
  ['of texts and numbers', {}],
  ['with an object inside', { team: { members: ['a'] } }],
  ['with a member called __proto__', JSON.parse('{"__proto__":{"admin":true}}')],
])('nobody gets an object that somebody else has, of a payload %s', (_kind, claims) => {
  const templates = roomFor(100);
  const got = [templates.add(1, json(1, claims)), templates.copy(1), templates.copy(1)];
  for (const one of got) {
    expect(one).toStrictEqual(JSON.parse(json(1, claims)));
    expect(Object.getPrototypeOf(one.payload)).toBe(Object.prototype);
    one.payload.n = 'changed';
    one.protectedHeader.kid = 'changed';
    one.payload.team?.members.push('changed');
  }
  expect(templates.copy(1)).toStrictEqual(JSON.parse(json(1, claims)));
});

test('nobody gets an object that somebody else has, of a header with an object inside', () => {
  const templates = roomFor(100);
  const whole = () => ({ payload: { n: 1 }, protectedHeader: { ...header, list: [1] } });
  const got = [templates.add(1, JSON.stringify(whole())), templates.copy(1), templates.copy(1)];
  for (const one of got) {
    expect(one).toStrictEqual(whole());
    one.protectedHeader.list.push(2);
  }
  expect(templates.copy(1)).toStrictEqual(whole());
});

describe("of a payload with Stack Auth's claims", () => {
  const project = { projectId: 'p', baseUrl: 'https://example.com' };
  const { claims } = peek(mint(newSigner('k'), project));
  const { sub, exp, ...others } = claims;

  test.each([
    ['as they are', claims],
    ['in another order', { exp, ...others, sub }],
    ['and one more at the end', { ...claims, more: 1 }],
    ['and one less at the end', { sub, ...others }],
    ['and one of another name', { sub, ...others, expires: exp }],
    ['and an object in one of them', { ...claims, restricted_reason: { type: 'anonymous' } }],
  ])('%s, copies have the same members in the same order', (_kind, payload) => {
    const text = JSON.stringify({ payload, protectedHeader: header });
    const values = JSON.stringify(Object.values(header).concat(Object.values(payload)));
    const forms = [text, JSON.stringify([...Object.values(header), payload])];
    for (const form of payload === claims ? [...forms, values] : forms) {
      const templates = roomFor(100);
      const got = [templates.add(1, form), templates.copy(1), templates.copy(1)];
      for (const one of got) {
        expect(JSON.stringify(one)).toBe(text);
        expect(Object.getPrototypeOf(one.payload)).toBe(Object.prototype);
        one.payload.sub = 'changed';
        one.protectedHeader.kid = 'changed';
      }
      expect(JSON.stringify(templates.copy(1))).toBe(text);
    }
  });

  /** Another one is another cache. */
  let tokenCacheBytes = 2 ** 20;
  const swapped = { kid: 'k', alg: 'ES256' };
  const more = { team_ids: 'a,b', plan: 'pro', locale: 'en-GB', region: 'eu' };
  test.each([
    ['as they are', header, claims],
    ['as they are, and a header in another order', swapped, claims],
    ['and some more', header, { ...claims, ...more }],
    ['and an object in one of them', header, { ...claims, restricted_reason: { type: 'x' } }],
  ])('%s, as many are kept as tokens are remembered', async (_kind, header, payload) => {
    tokenCacheBytes += 1;
    const signer = newSigner('k');
    const keys = { jwks: { keys: [signer.jwk] }, uat: Date.now() };
    const client = new StackAuth({ ...project, keys, tokenCacheBytes });
    await client.verifyJwt(sign(header, payload, signer));
    const count = Math.floor(tokenCacheBytes / client.stats().tokenCache.bytes);
    expect(count).toBeGreaterThan(300);
    const templates = load().of(tokenCacheBytes);
    for (let n = 1; n <= count; n += 1) {
      templates.add(n, JSON.stringify({ payload, protectedHeader: header }));
    }
    expect(templates.copy(1)).toStrictEqual({ payload, protectedHeader: header });
  });
});

describe('of many results', () => {
  test('all are kept for which there is room, and the last of more', () => {
    const templates = roomFor(2_500);
    for (let n = 1; n <= 5_000; n += 1) {
      templates.add(n, json(n));
      expect(templates.copy(n)).toStrictEqual(result(n));
    }
    const kept = Array.from({ length: 5_000 }, (_, n) => templates.copy(n + 1)).filter(Boolean);
    expect(kept.length).toBeGreaterThan(2_490);
    expect(kept.length).toBeLessThan(2_510);
    expect(kept.at(-2_400)).toStrictEqual(result(2_601));
  });

  test('those of one cache share half of its bytes', () => {
    const Templates = load();
    const bytes = 2 * 10 * LENGTH;
    const templates = Templates.of(bytes);
    for (let n = 1_001; n <= 1_040; n += 1) {
      templates.add(n, json(n));
    }
    const numbers = Array.from({ length: 40 }, (_, n) => 1_001 + n);
    expect(numbers.filter((n) => Templates.of(bytes).copy(n))).toEqual(numbers.slice(-10));
  });

  test('numbers with the same last bits do not drive each other out', () => {
    const templates = roomFor(10);
    const numbers = [1, 1 + 2 ** 13, 1 + 2 ** 20, 1 + 2 ** 40];
    for (const n of numbers) {
      templates.add(n, json(n));
    }
    for (const n of [...numbers, ...numbers]) {
      expect(templates.copy(n)).toStrictEqual(result(n));
    }
    // The fifth of them, whose place is that of those before.
    expect(templates.copy(1 + 2 ** 14)).toBeUndefined();
  });

  test('what is dropped is dropped at every place', () => {
    const templates = roomFor(10);
    for (let n = 1; n <= 11; n += 1) {
      templates.add(n, json(n));
      templates.copy(n);
    }
    expect(templates.copy(1)).toBeUndefined();
    expect(templates.copy(2)).toStrictEqual(result(2));
  });

  test('of other bounds, none is in the way of another', () => {
    const Templates = load();
    const [one, other] = [roomFor(10, Templates), roomFor(10, Templates)];
    one.add(1, json(1));
    other.add(1 + 2 ** 13, json(2));
    for (const _ of [1, 2]) {
      expect(one.copy(1)).toStrictEqual(result(1));
      expect(other.copy(1 + 2 ** 13)).toStrictEqual(result(2));
    }
  });

  test('whatever is cut off by a time-out, a result is whole', () => {
    const script = new Script('for (;;) use()');
    const templates = roomFor(100);
    let n = 0;
    const use = () => {
      n += 1;
      if (!templates.copy(n % 300)) {
        templates.add(n % 300, json(n % 300));
      }
    };
    const context = createContext({ use });
    for (let cut = 0; cut < 200; cut += 1) {
      expect(() => script.runInContext(context, { timeout: 1 })).toThrow('timed out');
      for (let n = 0; n < 300; n += 1) {
        expect([undefined, result(n)]).toContainEqual(templates.copy(n));
      }
    }
  });

  test('an interruption at any write leaves both whole that have one place', () => {
    const { from } = Array;
    let left = Number.POSITIVE_INFINITY;
    const set = (target: any, name: any, value: unknown) => {
      if (left-- === 0) {
        throw new Error('cut off');
      }
      return Reflect.set(target, name, value);
    };
    Array.from = (items: any) => new Proxy(from(items), { set });
    const templates = roomFor(10);
    Array.from = from;
    const [one, other] = [1, 1 + 2 ** 20];
    templates.add(one, json(1));
    templates.add(other, json(2));
    for (let cut = 0; cut < 5; cut += 1) {
      templates.copy(one);
      left = cut;
      expect(() => templates.copy(other)).toThrow('cut off');
      left = Number.POSITIVE_INFINITY;
      expect(templates.copy(one)).toStrictEqual(result(1));
      expect(templates.copy(other)).toStrictEqual(result(2));
    }
  });

  test('an interruption anywhere leaves room for as many as before, in the end', () => {
    const templates = roomFor(100);
    const { set, delete: remove } = Map.prototype;
    let n = 0;
    const use = (times: number) => {
      for (let time = 0; time < times; time += 1) {
        n += 1;
        templates.add(n, json(n));
      }
    };
    use(150);
    let cuts = 0;
    for (const method of ['set', 'delete'] as const) {
      for (let cut = 0; cut < 60; cut += 1) {
        Map.prototype[method] = () => {
          cuts += 1;
          throw new Error('cut off');
        };
        try {
          use(1);
        } catch {}
        Object.assign(Map.prototype, { set, delete: remove });
        use(1);
      }
    }
    expect(cuts).toBeGreaterThan(60);
    use(500);
    const kept = Array.from({ length: n }, (_, at) => templates.copy(at + 1)).filter(Boolean);
    expect(kept.length).toBeGreaterThan(90);
    expect(kept.length).toBeLessThan(110);
  });

  test('a polluted prototype has no part in them, whether they are few or many', () => {
    const seen = new Set();
    const polluted = (name: string) => ({
      configurable: true,
      get: () => seen.add(name),
      set: (value: unknown) => seen.add(value),
    });
    const claims = ['sub', 'role'];
    // `require` of Node has something to do with these.
    const indices = ['0', '1', '2', '3', '5', '6', '7', '9000'];
    const pollute = (names: string[]) => {
      for (const name of names) {
        Object.defineProperty(Object.prototype, name, polluted(name));
      }
    };
    let results: unknown[] = [];
    try {
      pollute(claims);
      const templates = roomFor(3_000);
      pollute(indices);
      for (let n = 1; n <= 2_000; n += 1) {
        templates.add(n, json(n));
      }
      results = [1, 1, 2_000, 2_000].map((n) => templates.copy(n));
    } finally {
      for (const name of [...claims, ...indices]) {
        Reflect.deleteProperty(Object.prototype, name);
      }
    }
    expect([...seen]).toEqual([]);
    expect(results).toStrictEqual([1, 1, 2_000, 2_000].map((n) => result(n)));
  });

  test('one that is too long for all of the room is given out, and not kept', () => {
    const templates = roomFor(10);
    const text = 'x'.repeat(20 * LENGTH);
    templates.add(1, json(1));
    expect(templates.add(2, json(2, { text }))).toStrictEqual(result(2, { text }));
    expect(templates.copy(2)).toBeUndefined();
    templates.add(3, json(3));
    expect(templates.copy(3)).toStrictEqual(result(3));
  });

  test('in any order, a result is the one of its number or none, and those kept are within bounds', () => {
    const number = fc.oneof(
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 1, max: 20 }).map((n) => 1 + n * 2 ** 13),
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    );
    const length = fc.integer({ min: 0, max: 100 });
    fc.assert(
      fc.property(fc.array(fc.tuple(number, length), { maxLength: 300 }), (adds) => {
        const templates = roomFor(40);
        const added = new Map<number, object>();
        for (const [n, length] of adds) {
          if (!templates.copy(n)) {
            const claims = { text: 'x'.repeat(length) };
            templates.add(n, json(n, claims));
            added.set(n, claims);
          }
          expect(templates.copy(n)).toStrictEqual(result(n, added.get(n)));
        }
        const kept = [...added].filter(([n]) => templates.copy(n));
        const lengths = kept.map(([n, claims]) => json(n, claims).length + OBJECT);
        const total = lengths.reduce((sum, length) => sum + length, 0);
        expect(total).toBeLessThanOrEqual(40 * LENGTH);
      }),
    );
  });
});
