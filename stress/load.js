// `npm run stress:load [-- --seconds 60]`: a warm process at full speed, on two threads, while Stack Auth
// dies in three ways, comes back, rotates its keys twice and withdraws one.

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import { StackAuth } from '../index.js';
import { startIssuer } from './issuer.js';
import { Report, rounded } from './report.js';
import { newSigner } from './tokens.js';
import { clock, drive, FLOOD, PUBLISHED, STOP, WITHDRAWN } from './traffic.js';

/** As `src/cache/policy.rs` has them. */
const REFRESH_AHEAD = 4 / 5;
const SHORTEST_BACK_OFF = { first: 125, last: 15_000 };
const UNKNOWN_KID_BURST = 2;
const UNKNOWN_KID_REFILL = 30_000;

const KIDS = ['first', 'second', 'third'];

async function main() {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } });
  const length = Number(values.seconds) * 1_000;
  const signers = KIDS.map(newSigner);
  const jwks = signers.map(({ jwk }) => jwk);
  const issuer = await startIssuer(jwks.slice(0, 1));
  const { projectId, baseUrl } = issuer;
  const options = {
    projectId,
    baseUrl,
    // So short that each outage outlasts the freshness of the keys.
    cacheMaxAge: length / 20,
    timeout: 2_000,
  };
  const client = new StackAuth(options);
  await client.warmUp();

  const board = new Int32Array(new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT));
  board[PUBLISHED] = 1;
  const job = { board, options, signers };
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: job });
  const traffic = Promise.all([drive(job), once(worker, 'message').then(([found]) => found)]);

  const began = clock();
  const keys = () => client.stats().keys;
  const answered = () => keys().fetches - keys().failedFetches;
  /** @param {string} what */
  const say = (what) => console.log(`${((clock() - began) / 1_000).toFixed(1)} s: ${what}`);
  /** Some time of the run, as a share of it. @param {number} share */
  const time = (share) => sleep(share * length);

  /** How long each outage was, and how long until the keys were refreshed again. */
  const outages = /** @type {Array<{ lasted: number, recovered: number, failed: number }>} */ ([]);
  /**
   * @param {string} what
   * @param {number} share
   * @param {() => Promise<unknown>} begin
   * @param {() => Promise<unknown>} [end]
   */
  async function outage(what, share, begin, end) {
    say(what);
    const { failedFetches } = keys();
    const start = clock();
    await begin();
    // One that is over before anyone has asked for keys would show nothing.
    const { fetches } = keys();
    for (let wait = 0; keys().fetches === fetches && wait < options.cacheMaxAge; wait += 5) {
      await sleep(5);
    }
    await time(share);
    await end?.();
    const back = clock();
    say(end ? 'the issuer is back' : 'the end');
    const before = answered();
    while (end && answered() === before) {
      await sleep(5);
    }
    outages.push({
      lasted: back - start,
      recovered: end ? clock() - back : 0,
      failed: keys().failedFetches - failedFetches,
    });
  }

  async function rotate() {
    const published = Number(board[PUBLISHED]) + 1;
    await issuer.set({ jwks: jwks.slice(0, published) });
    board[PUBLISHED] = published;
    say('the issuer signs with another key');
  }

  await time(0.08);
  await outage('the issuer is killed', 0.12, issuer.kill, issuer.start);
  await time(0.07);
  await rotate();
  await time(0.08);
  const [hang, error] = [() => issuer.set({ mode: 'hang' }), () => issuer.set({ mode: 'error' })];
  const recover = () => issuer.set({ mode: 'answer' });
  await outage('the issuer does not answer', 0.1, hang, recover);
  await time(0.04);
  await rotate();
  await time(0.06);
  await outage('the issuer answers with 503', 0.1, error, recover);
  await time(0.04);
  board[WITHDRAWN] = 1;
  const withdrawnAt = clock();
  await issuer.set({ jwks: jwks.slice(1) });
  say('the issuer withdraws its first key');
  await time(0.1);
  board[FLOOD] = 1;
  say('a flood of invented kids');
  await time(0.05);
  board[FLOOD] = 0;
  await time(0.02);
  await outage('the issuer is killed', 0.06, issuer.kill);
  const took = clock() - began;
  const { fetches, failedFetches } = keys();
  board[STOP] = 1;
  const threads = await traffic;

  const report = new Report();
  const { latency } = threads[0];
  /** @type {Map<string, number>} */
  const outcomes = new Map();
  for (const thread of threads) {
    if (thread !== threads[0]) {
      latency.add(thread.latency);
    }
    for (const [outcome, count] of thread.outcomes) {
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count);
    }
  }
  /** @param {'wrongs' | 'acceptedAfterGone' | 'lastAcceptedAt'} name */
  const each = (name) => threads.map((thread) => thread[name]);
  const sum = (/** @type {number[]} */ numbers) => numbers.reduce((a, b) => a + b, 0);

  const verifications = sum([...outcomes.values()]);
  report.note('verifications', verifications);
  report.note('verifications a second', rounded((verifications / took) * 1_000));
  for (const [outcome, count] of [...outcomes].sort()) {
    report.note(`- ${outcome}`, count);
  }
  for (const percentile of [50, 99, 100]) {
    report.note(
      `latency, percentile ${percentile}, ms`,
      (latency.percentile(percentile) / 1e6).toFixed(3),
    );
  }
  report.atMost('longest call, ms', latency.max / 1e6, options.timeout + 2_000);
  report.atMost('outcomes that should have been otherwise', sum(each('wrongs')), 0);
  report.atMost(
    'withdrawn key accepted after a refresh saw it gone',
    sum(each('acceptedAfterGone')),
    0,
  );
  const refused = Number(outcomes.get('withdrawn: ERR_JWKS_NO_MATCHING_KEY'));
  report.check('withdrawn key refused', refused, 'at least once', refused > 0);
  const lastAccepted = Math.max(...each('lastAcceptedAt')) - withdrawnAt;
  report.atMost('from withdrawal to last acceptance, ms', lastAccepted, options.cacheMaxAge + 500);
  for (const [at, { lasted, recovered, failed }] of outages.entries()) {
    // An attempt may be under way, or a pause of at most twice what was waited so far.
    const most = 2 * lasted + 250 + options.timeout + options.cacheMaxAge + 500;
    report.check(`outage ${at + 1}: failed fetches`, failed, 'at least 1', failed > 0);
    if (recovered > 0) {
      report.atMost(`outage ${at + 1}: keys refreshed after, ms`, recovered, most);
    }
  }
  // One at once, and then after pauses that double up to the longest.
  const failures = outages.map(({ lasted, recovered }) => {
    const doublings = Math.log2((lasted + recovered) / SHORTEST_BACK_OFF.first + 1);
    return 1 + Math.floor(doublings) + Math.floor((lasted + recovered) / SHORTEST_BACK_OFF.last);
  });
  report.atMost('fetches that failed', failedFetches, sum(failures));
  const refreshes = Math.ceil(took / (options.cacheMaxAge * REFRESH_AHEAD)) + 1;
  const forKids = UNKNOWN_KID_BURST + Math.floor(took / UNKNOWN_KID_REFILL);
  report.atMost('fetches that were answered', fetches - failedFetches, refreshes + forKids);
  report.print();
  for (const wrong of threads.flatMap((thread) => thread.wrong).slice(0, 10)) {
    console.log('wrong:', { ...wrong, at: `${(wrong.at - began) / 1_000} s` });
  }
}

if (isMainThread) {
  await main();
} else {
  parentPort?.postMessage(await drive(workerData));
}
