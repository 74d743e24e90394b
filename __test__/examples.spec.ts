import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

import { io } from 'socket.io-client';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  acceptConnections,
  backOffOf,
  refuseConnections,
  startIssuer,
  USER_ID,
} from './support/cache-issuer.ts';
import { silence } from './support/express-app.ts';
import type { StandIn } from './support/stand-in.js';

const examples = path.resolve(import.meta.dirname, '../examples');

afterEach(() => vi.unstubAllEnvs());

/** A stand-in, and the environment that makes an example use it. */
async function stage() {
  const issuer = await startIssuer();
  vi.stubEnv('HEXCLAVE_PROJECT_ID', issuer.projectId);
  vi.stubEnv('HEXCLAVE_SECRET_SERVER_KEY', issuer.secretServerKey);
  vi.stubEnv('HEXCLAVE_API_URL', issuer.url);
  vi.stubEnv('PORT', '0');
  return issuer;
}

/** Runs an example; where it listens. */
async function start(file: string) {
  const { server }: { server: Server } = await import(path.join(examples, file));
  onTestFinished(() => void server.close());
  if (!server.listening) await once(server, 'listening');
  return `http://localhost:${(server.address() as AddressInfo).port}`;
}

/** What each example is to answer, whatever it is made with. */
async function expectAnswers(
  issuer: StandIn,
  ask: (headers?: Record<string, string>) => Promise<Response>,
) {
  using console = silence();
  const withToken = async (options?: Parameters<StandIn['mint']>[0]) =>
    ask({ authorization: `Bearer ${await issuer.mint(options)}` });
  const challenge = (response: Response) => response.headers.get('www-authenticate');

  await refuseConnections(issuer);
  const down = await withToken();
  expect([down.status, down.headers.get('retry-after')]).toEqual([503, expect.any(String)]);
  expect(console.lines).toHaveLength(1);
  await acceptConnections(issuer);
  await backOffOf(issuer);

  const good = await withToken();
  expect(good.status).toBe(200);
  expect(await good.json()).toEqual({ id: USER_ID, email: 'ada@example.com' });

  const missing = await ask();
  expect([missing.status, challenge(missing)]).toEqual([
    401,
    expect.stringMatching(/^Bearer realm="[\w-]+"$/),
  ]);
  const expired = await withToken({ expiresIn: -1 });
  expect([expired.status, challenge(expired)]).toEqual([
    401,
    expect.stringContaining('error="invalid_token"'),
  ]);
  const anonymous = await withToken({ type: 'anonymous' });
  expect([anonymous.status, challenge(anonymous)]).toEqual([
    403,
    expect.stringContaining('error="insufficient_scope"'),
  ]);
  const token = await issuer.mint();
  const several = { 'x-stack-access-token': token, authorization: `Bearer x${token}` };
  expect((await ask(several)).status).toBe(400);
  expect(console.lines).toHaveLength(1);
}

const SERVERS = ['express.mts', 'fastify.mts', 'hono.mts', 'http.mts'];

test.each(SERVERS)('%s tells who is calling', async (file) => {
  const issuer = await stage();
  const url = await start(file);
  await expectAnswers(issuer, (headers = {}) => fetch(`${url}/api/me`, { headers }));
});

describe('nextjs', () => {
  test('tells who is calling', async () => {
    // As in a build, which has no environment.
    const { GET, runtime } = await import('../examples/nextjs/app/api/me/route.ts');
    const issuer = await stage();
    await expectAnswers(issuer, (headers = {}) =>
      GET(new Request('http://localhost/api/me', { headers })),
    );
    expect(runtime).toBe('nodejs');
  });

  test('keeps the addon out of bundles', async () => {
    const { default: config } = await import('../examples/nextjs/next.config.mjs');
    expect(config).toEqual({ serverExternalPackages: ['stack-auth-native'] });
  });
});

describe('socket-io.mts', () => {
  /** What a client hears first. */
  async function hear(url: string, options: object) {
    const socket = io(url, { reconnection: false, forceNew: true, ...options });
    onTestFinished(() => void socket.close());
    const outcome = await new Promise<any>((resolve) => {
      socket.once('hello', (userId) => resolve({ userId }));
      socket.once('connect_error', resolve);
    });
    return { socket, outcome };
  }

  test('tells who is calling, and for how long', async () => {
    using console = silence();
    const issuer = await stage();
    const url = await start('socket-io.mts');
    const token = await issuer.mint();

    await refuseConnections(issuer);
    const { outcome: down } = await hear(url, { auth: { accessToken: token } });
    expect(down).toMatchObject({ message: 'ERR_JWKS_FETCH_FAILED', data: { retryable: true } });
    expect(console.lines).toHaveLength(1);
    await acceptConnections(issuer);
    await backOffOf(issuer);

    for (const options of [
      { auth: { accessToken: token } },
      { extraHeaders: { 'x-stack-access-token': token } },
    ]) {
      for (const transports of [['websocket'], ['polling']]) {
        const { outcome } = await hear(url, { ...options, transports });
        expect(outcome).toEqual({ userId: USER_ID });
      }
    }
    for (const auth of [{}, { accessToken: 'nonsense' }, { accessToken: { $ne: null } }]) {
      const { outcome } = await hear(url, { auth });
      expect(outcome).toMatchObject({ message: 'ERR_JWS_INVALID', data: { retryable: false } });
    }

    const auth = { accessToken: await issuer.mint({ expiresIn: 2 }) };
    const { socket, outcome } = await hear(url, { auth });
    expect(outcome).toEqual({ userId: USER_ID });
    await new Promise((resolve) => socket.once('disconnect', resolve));
  });
});

test('each example is run here', async () => {
  const files = await readdir(examples);
  expect(files.sort()).toEqual([...SERVERS, 'nextjs', 'socket-io.mts'].sort());
});
