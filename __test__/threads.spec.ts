// Which threads the package has, and what becomes of calls where the system refuses one; seen from processes of a consumer.

import { chmod } from 'node:fs/promises';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { newConsumer, run } from './support/consumer.js';

let consumer: Awaited<ReturnType<typeof newConsumer>>;

beforeAll(async () => {
  consumer = await newConsumer();
}, 60_000);
afterAll(() => consumer.remove());

/** What a script prints, as a user of whom there may be so many threads. */
async function runWithThreads(threads: number, script: string) {
  const nobody = ['--reuid=65533', '--regid=65533', '--clear-groups'];
  const command = ['prlimit', `--nproc=${threads}`, process.execPath, '-e', script];
  const { STACK_AUTH_NATIVE_BINARY, NODE_OPTIONS, ...env } = process.env;
  const options = { cwd: consumer.project, env, timeout: 10_000, killSignal: 'SIGKILL' } as const;
  const { stdout } = await run('setpriv', [...nobody, ...command], options).catch((error) => error);
  return stdout as string;
}

/** What each thread of this process is called. */
const NAMES = `
const { readdirSync, readFileSync } = require('node:fs');
const nameOf = (thread) => readFileSync('/proc/self/task/' + thread + '/comm', 'utf8').trim();
const names = () => readdirSync('/proc/self/task').map(nameOf);`;
/** A token that needs no keys to be refused. */
const REFUSE = `
require('stack-auth-native').verifyJwt('nonsense', { projectId: 'p' }).catch(({ code }) => console.log(code));`;
/** A token whose keys have to be fetched, from where there is nobody. */
const WAIT = `
const wait = () => {
  const { verifyJwt } = require('stack-auth-native');
  const options = { projectId: 'p', baseUrl: 'http://127.0.0.1:1' };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const iss = options.baseUrl + '/api/v1/projects/p';
  const claims = { iss, aud: 'p', sub: 's', exp: 4_000_000_000 };
  const token = part({ alg: 'ES256', kid: 'k' }) + '.' + part(claims) + '.' + 'A'.repeat(86);
  return verifyJwt(token, options).catch(({ code, cause }) => [code, cause?.message]);
};`;

// Only root can become another user, and root has no such limit.
describe.runIf(process.platform === 'linux' && process.getuid?.() === 0)('threads', () => {
  test('that the system refuses cost the calls that need them, and nothing else', async () => {
    await chmod(consumer.project, 0o755);
    const ofNode = Number(await runWithThreads(1_000, `${NAMES} console.log(names().length)`));
    expect(await runWithThreads(ofNode, REFUSE)).toBe('ERR_JWS_INVALID\n');
    const refused = `${WAIT} wait().then((found) => console.log(JSON.stringify(found)))`;
    expect(JSON.parse(await runWithThreads(ofNode, refused))).toEqual([
      'ERR_JWKS_FETCH_FAILED',
      expect.stringContaining('temporarily unavailable'),
    ]);
    // One is enough, however many processors there are.
    expect(JSON.parse(await runWithThreads(ofNode + 1, refused))).toEqual([
      'ERR_JWKS_FETCH_FAILED',
      expect.stringContaining('refused'),
    ]);
  });
});

test.runIf(process.platform === 'linux')(
  'there is one thread for the network, whatever the environment says, also after its users have ended',
  async () => {
    const script = `${NAMES}
      const { Worker } = require('node:worker_threads');
      const { once } = require('node:events');
      const inWorker = () => once(new Worker(${JSON.stringify(`${WAIT} wait();`)}, { eval: true }), 'exit');
      inWorker().then(inWorker).then(() => console.log(names().join()));`;
    for (const TOKIO_WORKER_THREADS of ['auto', '64']) {
      const { stdout } = await run(process.execPath, ['-e', script], {
        cwd: consumer.project,
        env: { ...process.env, TOKIO_WORKER_THREADS },
      });
      const own = stdout
        .trim()
        .split(',')
        .filter((name) => /^(stack-auth|tokio)/.test(name));
      expect(own).toEqual(['stack-auth-net']);
    }
  },
);
