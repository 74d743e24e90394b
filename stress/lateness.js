// How long this machine has let its processes wait: by a clock in a thread of its own, which nothing that this
// process does can hold up. What a call took, less this, is what it would have taken on a machine that is idle.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Milliseconds between two looks at the clock, and by how much they may be late where nothing is amiss. */
const TICK = 10;
const SLACK = 2;
const MILLION = 1_000_000;

/** Nanoseconds: late so far, and when the clock was last looked at. */
const seen = new BigInt64Array(new SharedArrayBuffer(2 * BigInt64Array.BYTES_PER_ELEMENT));

const clock = new Worker(
  `const { parentPort, workerData: { seen, tick, slack } } = require('node:worker_threads');
  const look = () => {
    const now = process.hrtime.bigint();
    const late = now - seen[1] - tick;
    if (late > slack) seen[0] += late;
    seen[1] = now;
  };
  seen[1] = process.hrtime.bigint();
  setInterval(look, Number(tick) / ${MILLION});
  parentPort.postMessage('ready');`,
  {
    eval: true,
    execArgv: [],
    workerData: { seen, tick: BigInt(TICK * MILLION), slack: BigInt(SLACK * MILLION) },
  },
);
await once(clock, 'message');
clock.unref();

/** Milliseconds by which this machine was late, in all; the difference of two is for the time between them. */
export function lateness() {
  // First the time of the last look, for what it had found by then is added before.
  const last = Number(seen[1]);
  const pending = (Number(process.hrtime.bigint()) - last) / MILLION - TICK;
  return Number(seen[0]) / MILLION + (pending > SLACK ? pending : 0);
}

/**
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<[outcome: T, millis: number, late: number]>}
 */
export async function timed(work) {
  const [start, before] = [performance.now(), lateness()];
  const outcome = await work();
  return [outcome, performance.now() - start, lateness() - before];
}
