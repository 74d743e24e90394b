// A process that starts eight worker threads and ends them in mid-call, again and again. The threads may be
// the only ones that have the addon: then it goes with the last of them, and comes with the next.

import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

/**
 * @typedef {object} Case
 * @property {number} rounds
 * @property {boolean} loaded whether the main thread has the addon as well
 * @property {import('../index.js').StackAuthOptions} up a project that is answered
 * @property {import('../index.js').StackAuthOptions} down one that is not
 * @property {string[]} tokens
 */

const AT_ONCE = 8;
const file = fileURLToPath(import.meta.url);
/** Of this process, where they can be counted. */
const threads = () => (process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0);

/** @param {Case} job */
async function endWorkers(job) {
  const { rounds, loaded, up, tokens } = job;
  const addon = loaded ? await import('../index.js') : undefined;
  let slowest = 0;
  /** After each round. @type {Array<{ threads: number, rss: number }>} */
  const after = [];
  for (let round = 0; round < rounds; round += 1) {
    const workers = Array.from({ length: AT_ONCE }, (_, at) => {
      const worker = new Worker(file, { workerData: { ...job, at, round } });
      worker.on('error', (error) => {
        throw error;
      });
      return worker;
    });
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    await sleep(Math.random() * 5);
    const begun = performance.now();
    await Promise.all(workers.map((worker) => worker.terminate()));
    slowest = Math.max(slowest, performance.now() - begun);
    await addon?.verifyJwt(/** @type {string} */ (tokens[round % tokens.length]), up);
    after.push({ threads: threads(), rss: process.memoryUsage.rss() });
  }
  const seen = [after[Math.floor(rounds / 10)], after.at(-1)];
  return {
    slowest,
    threads: seen.map((round) => round?.threads),
    rss: seen.map((round) => round?.rss),
  };
}

/** @param {Case & { at: number, round: number }} job */
async function begin({ at, round, up, down, tokens }) {
  const { getUser, StackAuth, verifyJwt } = await import('../index.js');
  const token = /** @type {string} */ (tokens[0]);
  await verifyJwt(token, up);
  /** Each begins again as soon as it has ended. @type {Array<() => Promise<unknown>>} */
  const calls = [
    () => Promise.all(tokens.map((token) => verifyJwt(token, { ...up, tokenCacheBytes: 0 }))),
    () => Promise.all(tokens.slice(0, 8).map((token) => getUser(token, up))),
    // Of a project of this round, for the next one would not wait for what has just failed.
    () => new StackAuth({ ...down, projectId: `round-${round}` }).warmUp(),
    () => getUser(token, { ...up, maxAge: 1 }),
  ];
  const call = /** @type {() => Promise<unknown>} */ (calls[at % calls.length]);
  const goOn = () => void call().then(goOn);
  goOn();
  parentPort?.postMessage('busy');
  if (at === AT_ONCE - 1) {
    // One leaves by itself.
    setTimeout(() => process.exit(), Math.random() * 5);
  }
}

if (isMainThread) {
  console.log(JSON.stringify(await endWorkers(JSON.parse(process.argv[2] ?? ''))));
} else {
  await begin(workerData);
}
