// How the cost of a token grows with projects, remembered tokens and threads. Each in a process of its
// own, so that none inherits the memory of another.

import { execFile } from 'node:child_process';
import { createPublicKey, randomUUID, verify } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parentPort, Worker, workerData } from 'node:worker_threads';

import stackAuthNative from '../index.js';
import { best, inFlight, oneAtATime } from './measure.js';
import { jwks, mint, payloadOf, pem, received } from './tokens.js';

const { StackAuth } = stackAuthNative;
const file = fileURLToPath(import.meta.url);
const MIB = 2 ** 20;

const baseUrl = 'http://127.0.0.1:1'; // never asked: the keys are given
const keys = { jwks, uat: Date.now() };
const newProject = () => ({ projectId: randomUUID(), baseUrl });
const sample = (items, count) =>
  Array.from({ length: count }, () => items[Math.floor(Math.random() * items.length)]);

/**
 * The best of each, one at a time, without what it takes to make the string of each token.
 *
 * @template {{ bytes: Buffer }} Request
 * @param {string[]} counts
 * @param {number} rounds
 * @param {(count: string) => Request[]} some
 * @param {(count: string) => (token: string, request: Request) => Promise<unknown>} workOf
 */
async function timesOf(counts, rounds, some, workOf) {
  const time = (count, work) =>
    oneAtATime(some(count), (request) => work(received(request.bytes), request));
  const took = await best(counts, rounds, (count) => time(count, workOf(count)));
  const made = await best(counts, rounds, (count) => time(count, async () => {}));
  return Object.fromEntries(counts.map((count) => [count, took[count] - made[count]]));
}

/**
 * The same for the least that remembers tokens: a `Map` to their payloads, which are copied, and nothing checked.
 *
 * @param {Array<{ bytes: Buffer }>} requests
 * @param {string[]} counts of how many of them
 */
function timesOfMap(requests, counts) {
  const entries = requests.map(({ bytes }) => [received(bytes), payloadOf(received(bytes))]);
  const maps = Object.fromEntries(counts.map((count) => [count, new Map(entries.slice(0, count))]));
  return timesOf(
    counts,
    6,
    (count) => sample(requests.slice(0, count), 50_000),
    (count) => async (token) => ({ ...maps[count].get(token) }),
  );
}

const parts = {
  /** µs per token seen before, and per new token, by the number of projects; and what a `Map` takes. */
  async projects() {
    const all = Array.from({ length: 1_000 }, () => {
      const project = newProject();
      const client = new StackAuth({ ...project, keys });
      return { project, client, bytes: Buffer.from(mint(project)) };
    });
    const verify = ({ client, bytes }) => client.verifyJwt(received(bytes));
    for (const project of [...all, ...all]) {
      await verify(project);
    }
    const some = (count, calls) => sample(all.slice(0, count), calls);
    const counts = ['1', '1000'];
    const seen = await timesOf(
      counts,
      10,
      (count) => some(count, 20_000),
      () =>
        (token, { client }) =>
          client.verifyJwt(token),
    );
    const fresh = await best(counts, 10, (count) => {
      const calls = some(count, 400).map((of) => ({ ...of, bytes: Buffer.from(mint(of.project)) }));
      return oneAtATime(calls, verify);
    });
    return { seen, fresh, map: await timesOfMap(all, counts) };
  },

  /** The same by the number of tokens that are remembered, of one project. */
  async tokens() {
    const project = newProject();
    const all = Array.from({ length: 100_000 }, () => Buffer.from(mint(project)));
    const counts = ['1', '1000', '10000', '100000'];
    const requests = all.map((bytes) => ({ bytes }));
    const verifiers = {};
    for (const count of counts) {
      // Another bound is another cache.
      const tokenCacheBytes = 400 * MIB + Number(count);
      const client = new StackAuth({ ...project, keys, tokenCacheBytes });
      verifiers[count] = (token) => client.verifyJwt(token);
      const tokens = all.slice(0, count).map(String);
      await inFlight(64, tokens, verifiers[count]);
      await oneAtATime(tokens, verifiers[count]);
    }
    const seen = await timesOf(
      counts,
      6,
      (count) => sample(requests.slice(0, count), 50_000),
      (count) => verifiers[count],
    );

    return { seen, map: await timesOfMap(requests, counts) };
  },

  /** Resident memory that 100,000 tokens add, as a multiple of the bound, 16 MiB. */
  async memory() {
    const project = newProject();
    const client = new StackAuth({ ...project, keys });
    const tokens = Array.from({ length: 100_000 }, () => mint(project));
    const verify = (token) => client.verifyJwt(token);
    await inFlight(64, tokens.slice(0, 500), verify);
    globalThis.gc?.();
    const before = process.memoryUsage.rss();
    await inFlight(64, tokens, verify);
    await oneAtATime(tokens.slice(-5_000), verify);
    globalThis.gc?.();
    return (process.memoryUsage.rss() - before) / (16 * MIB);
  },

  /**
   * µs per new token, by the number of worker threads that verify at the same time; and how much longer the bare
   * signatures take Node itself on eight of them than on one for each processor. The same eight for each number,
   * and warm, for code is compiled anew in each thread.
   */
  async threads() {
    const project = newProject();
    const workerData = { project, keys, pem };
    const all = Array.from({ length: 8 }, () => new Worker(file, { argv: ['worker'], workerData }));
    const answer = (worker) => new Promise((resolve) => worker.once('message', resolve));
    await Promise.all(all.map(answer));
    const run = async (work, count) => {
      const workers = all.slice(0, count);
      const tell = (message) =>
        Promise.all(
          workers.map((worker, at) => {
            worker.postMessage(message(at));
            return answer(worker);
          }),
        );
      const tokens = Array.from({ length: 4_000 }, () => mint(project));
      const share = tokens.length / count;
      await tell((at) => tokens.slice(at * share, (at + 1) * share));
      const started = performance.now();
      await tell(() => work);
      return ((performance.now() - started) / tokens.length) * 1_000;
    };
    const timesOf = async (work, counts) => {
      await run(work, all.length);
      return best(counts.map(String), 10, (count) => run(work, Number(count)));
    };
    const fresh = await timesOf('verifyJwt', [1, 2, 4, 8]);
    const few = Math.min(availableParallelism(), 8);
    const bare = await timesOf('signature', [few, 8]);
    await Promise.all(all.map((worker) => worker.terminate()));
    return { ...fresh, bare: bare[8] / bare[few] };
  },
};

export async function growth() {
  const run = promisify(execFile);
  const figures = {};
  for (const part of Object.keys(parts)) {
    const { stdout } = await run(process.execPath, ['--expose-gc', file, part]);
    figures[part] = JSON.parse(stdout);
  }
  return figures;
}

if (process.argv[2] === 'worker') {
  const { project, keys: given, pem: ofProject } = workerData;
  const client = new StackAuth({ ...project, keys: given });
  const key = createPublicKey(ofProject);
  const work = {
    verifyJwt: (tokens) => inFlight(64, tokens, (token) => client.verifyJwt(token)),
    signature: (tokens) => oneAtATime(tokens, (token) => checkSignature(token, key)),
  };
  let tokens = [];
  parentPort?.on('message', async (message) => {
    if (typeof message === 'string') {
      await work[message](tokens);
    } else {
      tokens = message;
    }
    parentPort.postMessage('done');
  });
  parentPort?.postMessage('ready');
} else if (process.argv[1] === file) {
  console.log(JSON.stringify(await parts[process.argv[2]]()));
}

/** @param {string} token @param {import('node:crypto').KeyObject} key */
function checkSignature(token, key) {
  const end = token.lastIndexOf('.');
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  const signed = Buffer.from(token.slice(0, end));
  if (!verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature)) {
    throw new Error('expected a good signature');
  }
}
