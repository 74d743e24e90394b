// How long this machine has let its processes wait. What a call took, less this, is what it would have taken on an
// idle machine. By a thread of its own, so that what blocks the event loop is not excused.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Nanoseconds that have passed for a thread that does nothing but look at the clock. */
const passed = new BigInt64Array(new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT));

const clock = new Worker(
  `const { parentPort, workerData: passed } = require('node:worker_threads');
  const TICK = 10_000_000n;
  const SLACK = 2_000_000n;
  let last = process.hrtime.bigint();
  setInterval(() => {
    const now = process.hrtime.bigint();
    Atomics.add(passed, 0, now - last > TICK + SLACK ? TICK : now - last);
    last = now;
  }, 10);
  parentPort.postMessage('ready');`,
  { eval: true, execArgv: [], workerData: passed },
);
await once(clock, 'message');
clock.unref();

/** Milliseconds in all, to within a tick; the difference of two is for the time between them. */
export const lateness = () => Number(process.hrtime.bigint() - Atomics.load(passed, 0)) / 1e6;

/**
 * What came, and how many milliseconds it took on an idle machine.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<[outcome: T, millis: number]>}
 */
export async function timed(work) {
  const [start, before] = [performance.now(), lateness()];
  const outcome = await work();
  return [outcome, performance.now() - start - (lateness() - before)];
}
