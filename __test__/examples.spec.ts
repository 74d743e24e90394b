import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

import { metrics, trace } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { io } from 'socket.io-client';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { StackAuth } from '../index.js';
import {
  acceptConnections,
  answerKeys,
  backOffOf,
  refuseConnections,
  startIssuer,
  status,
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

const SERVERS = ['express.mts', 'fastify.mts', 'hono.mts', 'http.mts', 'nestjs.mts'];

test.each(SERVERS)('%s tells who is calling', async (file) => {
  const issuer = await stage();
  const url = await start(file);
  await expectAnswers(issuer, (headers = {}) => fetch(`${url}/api/me`, { headers }));
});

describe('nextjs', () => {
  test('tells who is calling', async () => {
    // As in a build, which has no environment.
    const { GET } = await import('../examples/nextjs/app/api/me/route.ts');
    const issuer = await stage();
    await expectAnswers(issuer, (headers = {}) =>
      GET(new Request('http://localhost/api/me', { headers })),
    );
  });

  test('lets Next.js have what it throws at build time', async () => {
    const { GET } = await import('../examples/nextjs/app/api/me/route.ts');
    const signal = new Error('dynamic');
    const request = {
      get headers(): Headers {
        throw signal;
      },
    };
    await expect(GET(request as Request)).rejects.toBe(signal);
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

    const auth = { accessToken: await issuer.mint({ expiresIn: 4 }) };
    const { socket, outcome } = await hear(url, { auth });
    expect(outcome).toEqual({ userId: USER_ID });
    const reason = await new Promise((resolve) => socket.once('disconnect', resolve));
    expect(reason).toBe('transport close'); // after which a client comes back
  });
});

/** A good call, a bad one, a question to the API, and what `getUser` says of a user who is gone. */
async function makeCalls(issuer: StandIn) {
  const client = new StackAuth(issuer.options);
  const token = await issuer.mint();
  await client.verifyJwt(token);
  await client.verifyJwt(await issuer.mint({ expiresIn: -1 })).catch(() => {});
  await client.getUser(token);
  issuer.users.clear();
  await client.getUser(token).catch(() => {});
  return client;
}

test('prometheus.mts counts calls, failures and ages', async () => {
  const issuer = await stage();
  const url = await start('prometheus.mts');
  answerKeys(issuer, status(500));
  const authorization = `Bearer ${await issuer.mint()}`;
  const ask = () => fetch(`${url}/api/me`, { headers: { authorization } });
  using console = silence(); // authErrorHandler tells of it
  expect((await ask()).status).toBe(503);
  expect(console.lines).toHaveLength(1);
  issuer.intercept = undefined;
  await backOffOf(issuer);
  expect(await (await ask()).json()).toEqual({ id: USER_ID });
  await makeCalls(issuer);

  const lines = (await (await fetch(`${url}/metrics`)).text()).split('\n');
  const metric = (name: string) =>
    Number(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length));
  const count = (operation: string, code: string) =>
    metric(`stack_auth_call_duration_seconds_count{operation="${operation}",code="${code}"}`);
  expect(count('verifyJwt', 'OK')).toBe(2);
  expect(count('verifyJwt', 'ERR_JWT_EXPIRED')).toBe(1);
  expect(count('verifyJwt', 'ERR_JWKS_FETCH_FAILED')).toBe(1);
  expect(count('getUser', 'OK')).toBe(1);
  expect(count('getUser', 'ERR_USER_UNAUTHENTICATED')).toBe(1);
  const failures = metric('stack_auth_key_fetch_failures_total{code="ERR_JWKS_FETCH_FAILED"}');
  expect(failures).toBeGreaterThan(0);
  expect(metric('stack_auth_key_set_age_seconds')).toBeLessThan(30);
  expect(metric('stack_auth_token_cache_bytes')).toBeGreaterThan(1_000);
});

test('opentelemetry.mts records calls, fetches and spans', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter });
  const spans = new InMemorySpanExporter();
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }),
  );
  onTestFinished(() => {
    metrics.disable();
    trace.disable();
    return reader.shutdown();
  });
  await import(path.join(examples, 'opentelemetry.mts'));

  const client = await makeCalls(await stage());
  const url = client.stats().keys.url;
  // Fetches are told of in a turn of their own.
  const counted = await vi.waitUntil(
    async () => {
      await reader.forceFlush();
      const found = exporter.getMetrics().at(-1)?.scopeMetrics[0]?.metrics ?? [];
      return found.length === 2 && found;
    },
    { timeout: 10_000 },
  );
  const points = (name: string) =>
    counted.find(({ descriptor }) => descriptor.name === name)?.dataPoints;
  expect(points('stack_auth.call.duration')).toMatchObject([
    { attributes: { operation: 'verifyJwt' }, value: { count: 1 } },
    { attributes: { operation: 'verifyJwt', 'error.type': 'ERR_JWT_EXPIRED' } },
    { attributes: { operation: 'getUser' } },
    { attributes: { operation: 'getUser', 'error.type': 'ERR_USER_UNAUTHENTICATED' } },
  ]);
  expect(points('stack_auth.keys.fetches')).toContainEqual(
    expect.objectContaining({ attributes: { 'url.full': url }, value: 1 }),
  );
  const [asked, refused] = spans.getFinishedSpans();
  expect(asked).toMatchObject({ name: 'stack-auth getUser', status: { code: 0 } });
  expect(asked?.attributes['enduser.id']).toBe(USER_ID);
  expect(refused?.status).toEqual({ code: 2, message: 'ERR_USER_UNAUTHENTICATED' });
});

test('each example is run here', async () => {
  const files = await readdir(examples);
  const others = ['nextjs', 'opentelemetry.mts', 'prometheus.mts', 'socket-io.mts'];
  expect(files.sort()).toEqual([...SERVERS, ...others].sort());
});
