import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const { Templates } = createRequire(import.meta.url)('../lib/templates.js');

const header = { alg: 'ES256', kid: 'k' };
/** Of the length that is usual. */
const name = 'Ada'.repeat(130);
const result = (n: number, claims = {}) => ({
  payload: { n, name, ...claims },
  protectedHeader: header,
});
const json = (n: number, claims?: object) => JSON.stringify(result(n, claims));
const LENGTH = json(1_000).length;
/** With room for so many results of that length. */
const roomFor = (count: number) => new Templates(count * LENGTH);

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

describe('of many results', () => {
  test('all are kept for which there is room, and the last of more', () => {
    const templates = roomFor(1_000);
    for (let n = 1; n <= 5_000; n += 1) {
      templates.add(n, json(n));
      expect(templates.copy(n)).toStrictEqual(result(n));
    }
    const kept = Array.from({ length: 5_000 }, (_, n) => templates.copy(n + 1)).filter(Boolean);
    expect(kept.length).toBeGreaterThan(990);
    expect(kept.length).toBeLessThan(1_010);
    expect(kept.at(-900)).toStrictEqual(result(4_101));
  });

  test('numbers far from each other do not drive each other out', () => {
    const templates = roomFor(1_000);
    const numbers = [1, 65, 129, 257, 513];
    for (const n of numbers) {
      templates.add(n, json(n));
    }
    expect(numbers.map((n) => templates.copy(n))).toStrictEqual(numbers.map((n) => result(n)));
  });

  test('there are no more slots than room: of two numbers that share one, the later is kept', () => {
    const templates = roomFor(10);
    templates.add(1, json(1));
    templates.add(65, json(65));
    expect([1, 65].map((n) => templates.copy(n))).toStrictEqual([undefined, result(65)]);
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
        const total = kept.reduce((sum, [n, claims]) => sum + json(n, claims).length, 0);
        expect(total).toBeLessThanOrEqual(40 * LENGTH);
      }),
    );
  });
});
