// `npm run stress:life [-- --rounds 200]`: threads and processes that end with calls in flight, two copies of
// the package, `vm` contexts. Each in processes of their own, whose ends are looked at from here.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs, promisify } from 'node:util';

import { startIssuer } from './issuer.js';
import { Report, rounded } from './report.js';
import { mint, newSigner } from './tokens.js';

/** @import { Calls, End } from './life-process.js' */

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '200' } } });
const rounds = Number(values.rounds);
const root = path.resolve(import.meta.dirname, '..');
const run = promisify(execFile);
/** @param {string} name */
const script = (name) => path.join(import.meta.dirname, name);

const TOKENS = 48;
const MIB = 2 ** 20;
/** From the last handle to the end of the process. */
const PROMPTLY = 300;
/** What else the machine does can only make an end slower: of so many, the best counts. */
const TRIES = 3;
/** What takes longer hangs, and is no matter of the machine. */
const HANGS = 2_000;

const signer = newSigner('k');
const [answering, hanging] = await Promise.all([
  startIssuer([signer.jwk]),
  startIssuer([signer.jwk]),
]);
await hanging.set({ mode: 'hang' });
/** @param {typeof answering} issuer */
const optionsOf = ({ projectId, secretServerKey, baseUrl }) => ({
  projectId,
  secretServerKey,
  baseUrl,
});
const [up, down] = [optionsOf(answering), optionsOf(hanging)];
/** @param {typeof up} options */
const mintFor = (options) => Array.from({ length: TOKENS }, () => mint(signer, options));
const job = { up, down, tokens: mintFor(up), downTokens: mintFor(down) };

const report = new Report();

/**
 * Starts a process and looks at its end.
 *
 * @param {Calls} calls
 * @param {End} end
 */
async function endOf(calls, end) {
  const delay = Math.random() * 8;
  const child = spawn(
    process.execPath,
    [script('life-process.js'), JSON.stringify({ ...job, calls, end, delay })],
    { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], timeout: 5 * HANGS, killSignal: 'SIGKILL' },
  );
  const [output, errors, pipe] = /** @type {import('node:stream').Readable[]} */ (
    child.stdio.slice(1)
  );
  let said = '';
  let killedAt = 0;
  pipe?.on('data', (chunk) => {
    said += chunk;
    if (said === 'ready') {
      said = '';
      killedAt = Number(process.hrtime.bigint() / 1_000n);
      child.kill('SIGTERM');
    }
  });
  const ended = once(child, 'exit').then(([code, signal]) => {
    return { code, signal, at: Number(process.hrtime.bigint() / 1_000n) };
  });
  const printed = await Promise.all([
    text(/** @type {any} */ (output)),
    text(/** @type {any} */ (errors)),
  ]);
  const { code, signal, at } = await ended;
  const from = Number(said) || killedAt || Number.NaN;
  return { code, signal, took: (at - from) / 1_000, printed: printed.join('') };
}

/**
 * @param {End} end
 * @param {Calls[]} kinds
 * @param {number} count
 */
async function ends(end, kinds, count) {
  const name = {
    exit: 'process.exit',
    natural: 'by itself',
    term: 'SIGTERM',
    handled: 'SIGTERM, handled',
  }[end];
  const expected = end === 'term' ? 'SIGTERM' : 7;
  let unclean = 0;
  let longest = 0;
  let repeated = 0;
  for (let round = 0; round < count; round += 1) {
    const calls = /** @type {Calls} */ (kinds[round % kinds.length]);
    let best = Number.POSITIVE_INFINITY;
    for (let tries = 1; best > PROMPTLY && tries <= TRIES; tries += 1) {
      const { code, signal, took, printed } = await endOf(calls, end);
      best = Math.min(best, took);
      if ((signal ?? code) !== expected || printed !== '' || !(took < HANGS)) {
        unclean += 1;
        console.log(`${name}, ${calls}: ${signal ?? code}, ${rounded(took)} ms, ${printed}`);
        break;
      }
      repeated += took > PROMPTLY ? 1 : 0;
    }
    longest = Math.max(longest, best);
  }
  report.atMost(`${name}: ends of ${count} that were not clean`, unclean, 0);
  report.atMost(`${name}: longest end, ms`, longest, PROMPTLY);
  report.note(`${name}: ends that took longer and were repeated`, repeated);
}

/**
 * What a process prints, or how it fails.
 *
 * @param {string} name
 * @param {object} input
 * @param {number} timeout
 */
async function outputOf(name, input, timeout) {
  const command = [script(name), JSON.stringify(input)];
  const { stdout } = await run(process.execPath, command, { timeout }).catch(
    ({ stderr, code, signal }) => ({ stdout: `${stderr}\nended by ${signal ?? code}` }),
  );
  return stdout.trim();
}

/** @param {boolean} loaded @param {number} count */
async function workers(loaded, count) {
  const name = loaded ? 'workers' : 'workers that alone have the addon';
  const input = { ...job, rounds: count, loaded };
  const output = await outputOf('life-workers.js', input, 5 * HANGS + count * 2_000);
  const clean = /^\{.*\}$/.test(output);
  report.check(`${name}: ends of eight in mid-call`, count, 'nothing but that', clean);
  if (!clean) {
    console.log(output);
    return;
  }
  const { slowest, threads, rss } = JSON.parse(output);
  const [first, last] = threads;
  report.atMost(`${name}: slowest end of eight, ms`, slowest, HANGS);
  report.check(`${name}: threads after`, last, `${first}, and 4`, last <= first + 4);
  const [early, late] = rss;
  report.note(`${name}: resident after all, MiB`, rounded(late / MIB));
  report.atMost(`${name}: of it since a tenth of them, MiB`, (late - early) / MIB, 32);
}

async function copies() {
  const folder = await mkdtemp(path.join(tmpdir(), 'copies-'));
  const names = (await readdir(root)).filter((name) =>
    /^(lib|index\.js|binding\.js|package\.json)$|\.node$/.test(name),
  );
  const paths = ['one', 'other'].map((copy) => path.join(folder, copy));
  for (const to of paths) {
    for (const name of names) {
      await cp(path.join(root, name), path.join(to, name), { recursive: true });
    }
  }
  const input = { paths, options: up, tokens: job.tokens };
  const output = await outputOf('life-copies.js', input, 60_000);
  report.check(
    'two copies, and vm contexts',
    output === 'done' ? 'work' : '',
    'work',
    output === 'done',
  );
  if (output !== 'done') {
    console.log(output);
  }
  await rm(folder, { recursive: true });
}

await copies();
await workers(true, rounds);
await workers(false, rounds);
/** @type {Calls[]} */
const kinds = [
  'checks',
  'users',
  'user',
  'keys',
  'shared',
  'refresh',
  'aborted',
  'threads',
  'idle',
];
const exits = Math.max(Math.ceil(rounds * 0.9), kinds.length);
await ends('exit', kinds, exits);
await ends('natural', kinds, exits);
const signals = Math.max(Math.ceil(rounds / 5), 2);
await ends('term', ['keys', 'user'], signals);
if (process.platform !== 'win32') {
  // There no signal can be handled that another process has sent.
  await ends('handled', ['keys', 'user'], signals);
}
report.print();
await Promise.all([answering.kill(), hanging.kill()]);
