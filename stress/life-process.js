// A process of its own that begins calls and then ends in the way that it is told to. Says when its last
// handle is gone through file descriptor 3, for it must write nothing else.

import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import { getUser, StackAuth, verifyJwt } from '../index.js';

/**
 * @typedef {'checks' | 'users' | 'user' | 'keys' | 'shared' | 'refresh' | 'aborted' | 'idle' | 'threads'} Calls
 * @typedef {'exit' | 'natural' | 'term' | 'handled'} End
 * @typedef {object} Case
 * @property {Calls} calls what is under way
 * @property {End} end
 * @property {number} delay milliseconds between the two
 * @property {import('../index.js').StackAuthOptions} up a project that is answered
 * @property {import('../index.js').StackAuthOptions} down one that is not
 * @property {string[]} tokens
 * @property {string[]} downTokens
 */

/** @type {Case} */
const job = JSON.parse(process.argv[2] ?? '');
const { calls, end, delay, up, down, tokens, downTokens } = job;
const [token, downToken] = /** @type {[string, string]} */ ([tokens[0], downTokens[0]]);
const now = () => String(process.hrtime.bigint() / 1_000n);

/** What comes of them if nothing ends them before. @type {Record<Calls, string[]>} */
const outcomes = {
  checks: ['good'],
  users: ['good'],
  user: ['ERR_API_TIMEOUT'],
  keys: ['ERR_JWKS_TIMEOUT'],
  shared: ['good'],
  refresh: ['good'],
  aborted: ['ABORT_ERR', 'good'],
  idle: [],
  threads: [],
};
/** @type {Record<Calls, () => Promise<unknown>[] | Promise<[]>>} */
const begin = {
  checks: () => {
    const options = { ...up, tokenCacheBytes: 0 };
    return tokens.map((token) => verifyJwt(token, options));
  },
  users: () => tokens.map((token) => getUser(token, up)),
  /** Waits for a user who does not come. */
  user: () => [getUser(downToken, { ...down, keys, timeout: 300 })],
  /** Waits for keys that do not come. */
  keys: () => [verifyJwt(downToken, { ...down, timeout: 300 })],
  /** Two wait for one user, who is kept. */
  shared: () => [
    getUser(token, { ...up, maxAge: 60_000 }),
    getUser(token, { ...up, maxAge: 60_000 }),
  ],
  /** Keys that are about to go stale are fetched in the background, from an issuer that does not answer. */
  refresh: () => [verifyJwt(downToken, { ...down, keys: { ...keys, uat: Date.now() - 550_000 } })],
  aborted: () => {
    const signal = AbortSignal.timeout(5);
    return [verifyJwt(downToken, { ...down, signal }), getUser(token, { ...up, signal })];
  },
  /** Nothing is under way, and connections are kept for later. */
  idle: () => [],
  /** Other threads are at it, and end with this one. */
  async threads() {
    const file = new URL('life-workers.js', import.meta.url);
    for (const at of [0, 1]) {
      const worker = new Worker(file, { workerData: { ...job, at, round: 0 } });
      await once(worker, 'message');
      worker.unref();
    }
    return [];
  },
};

const client = new StackAuth(up);
await client.warmUp();
const keys = /** @type {import('../index.js').ExportedKeys} */ (client.exportKeys());
if (calls === 'idle') {
  await getUser(token, { ...up, maxAge: 60_000 });
}
if (end === 'handled') {
  process.on('SIGTERM', () => {
    writeSync(3, now());
    process.exit(7);
  });
}
const underWay = (await begin[calls]()).map((call) =>
  call.then(
    () => 'good',
    (error) => error.code,
  ),
);

if (end === 'natural') {
  const found = await Promise.all(underWay);
  process.exitCode = found.every((outcome) => outcomes[calls].includes(outcome)) ? 7 : 8;
  writeSync(3, now());
} else {
  await sleep(delay);
  if (end === 'exit') {
    writeSync(3, now());
    process.exit(7);
  }
  writeSync(3, 'ready');
  setInterval(() => {}, 1_000);
}
