import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { accessTokenFrom, getUser, StackAuth, verifyJwt } from '../index.js';
import { peek } from './support/differential/peek.js';
import { StandIn, sendJson, userOf } from './support/stand-in.js';
import { newSigner, type Signer, serve, sign } from './support/tokens.js';

// What the sizes and the shapes of input may cost; tests/worst_cases.rs has the same of each part.

let standIn: StandIn;
let signer: Signer;
let claims: Record<string, unknown>;

beforeAll(async () => {
  standIn = await StandIn.start();
  signer = newSigner('k');
  claims = peek(await standIn.mint()).claims;
});
afterAll(() => standIn.close());

const HEADER = { alg: 'ES256', kid: 'k' };
const DEEP = 1_000_000;
const arrays = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
const members = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`claim-${n}`, n]));

/** Puts a value that is JSON text into an object, before the others. */
function withText(object: object, text: string) {
  return `{"x":${text},${JSON.stringify(object).slice(1)}`;
}

/** Milliseconds of all processors, since the machine may be busy with something else. */
function timer() {
  const begun = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(begun);
    return (user + system) / 1_000;
  };
}

async function inTime<T>(work: () => T): Promise<Awaited<T>> {
  const taken = timer();
  const result = await work();
  expect(taken()).toBeLessThan(2_000);
  return result;
}

/** Sixteen times the size, and not more than 40 times as long. Noise only adds, so it is tried again. */
function expectLinear(work: (size: number) => unknown, size: number) {
  const time = (size: number) => {
    const taken = timer();
    work(size);
    return taken();
  };
  let [short, long] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 1; round <= 5 || (round <= 30 && long > 40 * short + 5); round += 1) {
    short = Math.min(short, time(size / 16));
    long = Math.min(long, time(size));
  }
  expect(long).toBeLessThanOrEqual(40 * short + 5);
}

describe('tokens of the greatest size', () => {
  beforeAll(() => serve(standIn, [signer.jwk]));

  test.each([
    ['nested arrays', () => sign(HEADER, withText(claims, arrays(5_000)), signer)],
    ['nested objects', () => sign(HEADER, withText(claims, objects(1_800)), signer)],
    ['a nested header', () => sign(withText(HEADER, arrays(5_000)), claims, signer)],
    ['many claims', () => sign(HEADER, { ...members(500), ...claims }, signer)],
    ['a long header', () => sign({ ...members(500), ...HEADER }, claims, signer)],
  ])('%s are taken', async (_shape, mint) => {
    const token = mint();
    expect(token.length).toBeLessThanOrEqual(16 * 1_024);
    const { payload } = await inTime(() => verifyJwt(token, standIn.options));
    expect(payload).toMatchObject(claims);
  });

  test('and no longer ones, however long they are', async () => {
    const token = sign(HEADER, { ...members(100_000), ...claims }, signer);
    await inTime(() =>
      expect(verifyJwt(token, standIn.options)).rejects.toMatchObject({ code: 'ERR_JWS_INVALID' }),
    );
  });
});

describe('key sets', () => {
  const jwksOf = (text: string) => {
    const fresh = Object.assign(new StandIn(), { url: standIn.url });
    standIn.intercept = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(text);
      return true;
    };
    return verifyJwt(sign(HEADER, claims, signer), fresh.options);
  };

  test.each([
    ['nested arrays', () => `{"keys":[${arrays(50_000)}],"x":${arrays(50_000)}}`],
    ['nested objects', () => `{"keys":[${objects(20_000)}]}`],
    ['many members', () => JSON.stringify({ keys: [members(10_000)] })],
  ])('with %s have no key in them', async (_shape, jwks) => {
    const error = { code: 'ERR_JWKS_NO_MATCHING_KEY' };
    await inTime(() => expect(jwksOf(jwks())).rejects.toMatchObject(error));
  });

  test.each([
    ['100,000 keys', () => `{"keys":[${'{},'.repeat(99_999)}{}]}`],
    ['keys that never end', () => `{"keys":${'['.repeat(DEEP)}`],
  ])('of %s are refused', async (_shape, jwks) => {
    await inTime(() => expect(jwksOf(jwks())).rejects.toMatchObject({ code: 'ERR_JWKS_INVALID' }));
  });

  test('of 100,000 keys are refused as an option', async () => {
    const jwks = {
      keys: Array.from({ length: 100_000 }, (_, n) => ({ ...signer.jwk, kid: `${n}` })),
    };
    await inTime(() =>
      expect(() => new StackAuth({ ...standIn.options, keys: { jwks, uat: 0 } })).toThrow(
        'keys.jwks is malformed: expected at most 64 keys, found 100000',
      ),
    );
  });

  test('that are nested too deeply for JavaScript are refused as an option', () => {
    const keys: any = { jwks: { keys: [JSON.parse(arrays(DEEP))] }, uat: 0 };
    expect(() => new StackAuth({ ...standIn.options, keys })).toThrow('keys.jwks must be JSON');
  });
});

describe('answers of users/me', () => {
  const answered = async (status: number, text: string) => {
    const token = sign(HEADER, claims, signer);
    standIn.intercept = (request, response) => {
      if (request.url?.endsWith('jwks.json')) {
        sendJson(response, 200, { keys: [signer.jwk] });
      } else {
        response.writeHead(status).end(text);
      }
      return true;
    };
    return getUser(token, standIn.options);
  };

  test.each([
    ['nested arrays', () => withText(userOf({}), arrays(DEEP))],
    ['nested objects', () => withText(userOf({}), objects(DEEP))],
    ['100,000 members', () => JSON.stringify({ ...members(100_000), ...userOf({}) })],
  ])('with %s are handed on', async (_shape, user) => {
    expect(await inTime(() => answered(200, user()))).toMatchObject(userOf({}));
  });

  test.each([
    ['nested arrays', () => `{"code":"SCHEMA_ERROR","details":${arrays(DEEP)}}`],
    ['nested objects', () => `{"code":"SCHEMA_ERROR","details":${objects(DEEP)}}`],
    ['100,000 members', () => JSON.stringify({ code: 'SCHEMA_ERROR', details: members(100_000) })],
    ['a long message', () => JSON.stringify({ code: 'SCHEMA_ERROR', error: 'ssk_'.repeat(DEEP) })],
  ])('that refuse with %s are errors', async (_shape, body) => {
    const error = { code: 'ERR_CONFIG', stackCode: 'SCHEMA_ERROR' };
    await inTime(() => expect(answered(400, body())).rejects.toMatchObject(error));
  });
});

describe('100,000 header fields', () => {
  let server: Server;
  const options = () => ({
    ...standIn.options,
    baseUrl: `http://127.0.0.1:${(server.address() as any).port}`,
  });

  beforeAll(async () => {
    server = createServer((socket) => {
      socket
        .on('error', () => {})
        .once('data', () => {
          socket.end(`HTTP/1.1 200 OK\r\n${'x-field: y\r\n'.repeat(100_000)}\r\n{"keys":[]}`);
        });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => server.close());

  test('of an issuer are a failure of its own', async () => {
    const token = sign(HEADER, claims, signer);
    await inTime(() =>
      expect(verifyJwt(token, options())).rejects.toMatchObject({ code: 'ERR_JWKS_FETCH_FAILED' }),
    );
    const keys = { jwks: { keys: [signer.jwk as Record<string, unknown>] }, uat: Date.now() };
    const local = { ...claims, iss: String(claims.iss).replace(standIn.url, options().baseUrl) };
    await inTime(() =>
      expect(getUser(sign(HEADER, local, signer), { ...options(), keys })).rejects.toMatchObject({
        code: 'ERR_API_UNAVAILABLE',
      }),
    );
  });

  test.each([
    ['a plain object', (fields: Record<string, any>) => fields],
    ['Headers', (fields: Record<string, any>) => new Headers(fields)],
  ])('of a request, in %s', (_kind, of) => {
    const fields = { ...members(100_000), 'x-stack-access-token': 'a.b.c' };
    expect(accessTokenFrom(of(fields))).toBe('a.b.c');
  });
});

test.each([
  ['white space', (size: number) => ({ authorization: `Bearer ${' '.repeat(size)}a.b.c` })],
  ['other schemes', (size: number) => ({ authorization: 'Bearer'.repeat(size) })],
  ['many cookies', (size: number) => ({ cookie: 'stack-access=%22;'.repeat(size / 16) })],
  ['a long cookie', (size: number) => ({ cookie: `stack-access=${'%5B'.repeat(size)}` })],
  ['a nested cookie', (size: number) => ({ cookie: `stack-access=${'['.repeat(size)}` })],
  ['a long name', (size: number) => ({ cookie: `${'stack-access-'.repeat(size / 16)}=1` })],
  ['a nested header', (size: number) => ({ 'x-stack-auth': '{"accessToken":'.repeat(size / 16) })],
  ['many values', (size: number) => ({ 'x-stack-access-token': Array(size / 16).fill('a.b.c') })],
])('a request is read in time that its size explains: %s', (_shape, headersOf) => {
  expectLinear((size) => {
    try {
      accessTokenFrom({ headers: headersOf(size) as any }, { cookies: true });
    } catch {} // Several that differ, say.
  }, 2 ** 21);
});

test('a small stack is enough', async () => {
  serve(standIn, [signer.jwk, { x: JSON.parse(arrays(5_000)) }]);
  const work = `
    const { workerData, parentPort } = require('node:worker_threads');
    const { verifyJwt } = require(workerData.index);
    (async () => {
      for (const token of workerData.tokens) {
        await verifyJwt(token, workerData.options);
      }
      await Promise.all(workerData.tokens.map((token) => verifyJwt(token, workerData.options)));
      parentPort.postMessage('done');
    })();
  `;
  const tokens = Array.from({ length: 4 }, (_, n) =>
    sign(HEADER, withText({ ...claims, n }, arrays(5_000)), signer),
  );
  const worker = new Worker(work, {
    eval: true,
    workerData: { index: require.resolve('../index.js'), options: standIn.options, tokens },
    resourceLimits: { stackSizeMb: 0.5 },
  });
  expect(await once(worker, 'message')).toEqual(['done']);
  await worker.terminate();
});
