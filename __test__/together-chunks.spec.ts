// How checks of many calls are shared out among the threads. Nothing but speed depends on it.

import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { expect, onTestFinished, test, vi } from 'vitest';

import { StackAuth } from '../index.js';
import { gate, startIssuer, times } from './support/cache-issuer.js';

const { Batch } = createRequire(import.meta.url)('../binding.js');
const THREADS = availableParallelism();

const nextTurn = () => new Promise<void>(setImmediate);

/** A client that checks each time, its calls, and the sizes of the chunks that went to other threads. */
async function start(opened?: Promise<void>) {
  const issuer = await startIssuer();
  const client = new StackAuth({ ...issuer.options, tokenCacheBytes: 0 });
  await client.warmUp();
  const token = await issuer.mint();
  const sizes: number[] = [];
  const { run } = Batch.prototype;
  const spy = vi.spyOn(Batch.prototype, 'run').mockImplementation(async function (
    this: unknown,
    tickets: any,
  ) {
    sizes.push(tickets.length);
    await opened;
    return run.call(this, tickets);
  });
  onTestFinished(() => spy.mockRestore());
  await nextTurn();
  return {
    sizes,
    ask: (count: number) => Promise.all(times(count, () => client.verifyJwt(token))),
  };
}

/** Of equal size but for the last, as many for each thread, and no larger than 24. */
function chunksOf(count: number, idle: number) {
  const size = Math.ceil(count / (Math.ceil(count / 24 / idle) * idle));
  return times(Math.ceil(count / size), (n) => Math.min(size, count - n * size));
}

test.each([1, 2, 25, 50, 300])('%d calls at once: all but the first', async (count) => {
  const { ask, sizes } = await start();
  await ask(count);
  expect(sizes).toEqual(count > 1 ? chunksOf(count - 1, THREADS) : []);
});

test('those that come later go to idle threads first, and then wait for each other', async () => {
  const { open, opened } = gate();
  onTestFinished(open);
  const { ask, sizes } = await start(opened);
  const calls = [ask(2)];
  await nextTurn();
  expect(sizes).toEqual([1]);
  calls.push(ask(5));
  await nextTurn();
  const expected = [1, ...chunksOf(5, Math.max(THREADS - 1, 1))];
  expect(sizes).toEqual(expected);
  while (expected.length < 2 * THREADS) {
    calls.push(ask(1));
    await nextTurn();
    expected.push(1);
    expect(sizes).toEqual(expected);
  }
  for (let waiting = 1; waiting < 24; waiting += 1) {
    calls.push(ask(1));
    await nextTurn();
    expect(sizes).toEqual(expected);
  }
  calls.push(ask(1));
  await nextTurn();
  expected.push(24);
  calls.push(ask(3));
  await nextTurn();
  expect(sizes).toEqual(expected);
  open();
  await Promise.all(calls);
  expect(sizes.slice(expected.length).reduce((sum, size) => sum + size)).toBe(3);

  sizes.length = 0;
  await nextTurn();
  await ask(50);
  expect(sizes).toEqual(chunksOf(49, THREADS));
});

test('a callback counts once, however many it awaits one after the other', async () => {
  const { ask, sizes } = await start();
  const callbacks = [10, 1, 1, 1].map(async (count) => {
    await nextTurn();
    for (let call = 0; call < count; call += 1) {
      await ask(1);
    }
  });
  await Promise.all(callbacks);
  expect(sizes).toEqual([]);
});
