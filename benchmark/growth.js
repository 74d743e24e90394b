// How the cost of a token grows with projects, remembered tokens and threads. Each in a process of its
// own, so that none inherits the memory of another.

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parentPort, Worker } from 'node:worker_threads';

import stackAuthNative from '../index.js';
import { best, inFlight, oneAtATime } from './measure.js';
import { jwks, mint } from './tokens.js';

const { StackAuth } = stackAuthNative;
const file = fileURLToPath(import.meta.url);
const MIB = 2 ** 20;

const baseUrl = 'http://127.0.0.1:1'; // never asked: the keys are given
const keys = { jwks, uat: Date.now() };
const projectOf = (projectId) => ({ projectId, issuer: `${baseUrl}/api/v1/projects/${projectId}` });
const sample = (items, count) =>
  Array.from({ length: count }, () => items[Math.floor(Math.random() * items.length)]);

const parts = {
  /** µs per token seen before, and per new token, by the number of projects. */
  async projects() {
    const seen = {};
    const fresh = {};
    for (const count of [1, 1_000]) {
      const projects = Array.from({ length: count }, () => {
        const project = projectOf(randomUUID());
        const client = new StackAuth({ projectId: project.projectId, baseUrl, keys });
        return { project, client, token: mint(project) };
      });
      const verify = ({ client, token }) => client.verifyJwt(token);
      for (const project of [...projects, ...projects]) {
        await verify(project);
      }
      const bests = await best(['seen', 'fresh'], 8, (kind) =>
        kind === 'seen'
          ? oneAtATime(sample(projects, 20_000), verify)
          : oneAtATime(
              sample(projects, 400).map((of) => ({ ...of, token: mint(of.project) })),
              verify,
            ),
      );
      [seen[count], fresh[count]] = [bests.seen, bests.fresh];
    }
    return { seen, fresh };
  },

  /** µs per token seen before, by the number of tokens, all of which are remembered. */
  async tokens() {
    const tokenCacheBytes = 400 * MIB;
    const project = projectOf(randomUUID());
    const { projectId } = project;
    const client = new StackAuth({ projectId, baseUrl, keys, tokenCacheBytes });
    const verify = (token) => client.verifyJwt(token);
    const all = Array.from({ length: 100_000 }, () => mint(project));
    const seen = {};
    for (const count of [1, 1_000, 10_000, 100_000]) {
      const tokens = all.slice(0, count);
      await inFlight(64, tokens, verify);
      await oneAtATime(tokens, verify);
      const { time } = await best(['time'], 4, () => oneAtATime(sample(tokens, 50_000), verify));
      seen[count] = time;
    }
    return seen;
  },

  /** Resident memory that 100,000 tokens add, as a multiple of the bound, 16 MiB. */
  async memory() {
    const project = projectOf(randomUUID());
    const client = new StackAuth({ projectId: project.projectId, baseUrl, keys });
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

  /** µs per new token, by the number of worker threads that verify at the same time. */
  async threads() {
    const project = projectOf(randomUUID());
    const took = {};
    for (const count of [1, 2, 4, 8]) {
      const all = Array.from({ length: count }, () => new Worker(file, { argv: ['worker'] }));
      const answer = (worker) => new Promise((resolve) => worker.once('message', resolve));
      await Promise.all(all.map(answer));
      const tell = (message) =>
        Promise.all(
          all.map((worker, at) => {
            worker.postMessage(message(at));
            return answer(worker);
          }),
        );
      const { time } = await best(['time'], 5, async () => {
        const tokens = Array.from({ length: 8_000 }, () => mint(project));
        const share = tokens.length / count;
        await tell((at) => ({ project, tokens: tokens.slice(at * share, (at + 1) * share), keys }));
        const started = performance.now();
        await tell(() => 'go');
        return ((performance.now() - started) / tokens.length) * 1_000;
      });
      took[count] = time;
      await Promise.all(all.map((worker) => worker.terminate()));
    }
    return took;
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
  let client;
  let tokens;
  parentPort?.on('message', async (message) => {
    if (message === 'go') {
      await inFlight(64, tokens, (token) => client.verifyJwt(token));
    } else {
      client = new StackAuth({ projectId: message.project.projectId, baseUrl, keys: message.keys });
      tokens = message.tokens;
    }
    parentPort.postMessage('done');
  });
  parentPort?.postMessage('ready');
} else if (process.argv[1] === file) {
  console.log(JSON.stringify(await parts[process.argv[2]]()));
}
