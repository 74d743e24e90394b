import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { brotliCompressSync, constants, deflateRawSync, gzipSync } from 'node:zlib';

import { USER_ID } from '../cache-issuer.js';
import type { Request, Response } from '../stand-in.js';
import type { Pki } from './certificates.js';
import type { Misbehaviour, Site } from './site.js';

const MIB = 1024 * 1024;
const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';
/** Half of what either place could answer. */
const HALF = '{"keys":[],"id":"5c2f';

type OnRequest = (request: Request, response: Response, site: Site) => unknown;
type OnSocket = (socket: Socket, site: Site) => unknown;

export const onRequest = (act: OnRequest): Misbehaviour => ({ at: 'request', act });
export const onConnection = (act: OnSocket): Misbehaviour => ({ at: 'connection', act });
/** In place of what a proxy answers to CONNECT. */
export const onTunnel = (act: OnSocket): Misbehaviour => ({ at: 'tunnel', act });
export const closedPort: Misbehaviour = { at: 'port' };
export const deadWire: Misbehaviour = { at: 'wire' };

export const silence = () => {};
export const reset = (socket: Socket) => socket.resetAndDestroy();
export const close = (socket: Socket) => socket.end();
/** Once the other side has said something. */
export const resetOnData = (socket: Socket) => socket.once('data', () => reset(socket));
/** These bytes and no more, on a connection that stays open. */
export const say =
  (text: string): OnSocket =>
  (socket) =>
    socket.write(text);
/** These bytes, and the end of the connection. */
export const sayAndClose =
  (text: string): OnSocket =>
  (socket) =>
    socket.end(text);

/** These bytes, and a reset once they are on their way. */
export const sayAndReset =
  (text: string): OnSocket =>
  (socket) => {
    socket.write(text);
    setTimeout(() => reset(socket), 20);
  };

/** On the wire of a request, past what HTTP would allow. */
export const onWire = (act: OnSocket): Misbehaviour =>
  onRequest((request, _response, site) => act(request.socket, site));

export const answer = (status: number, body = '', headers = {}): Misbehaviour =>
  onRequest((_request, response) => response.writeHead(status, headers).end(body));

/** One of Stack Auth's known errors. */
export const knownError = (status: number, code: string): Misbehaviour =>
  answer(status, JSON.stringify({ code, error: 'No.' }), { 'x-stack-known-error': code });

/** Something every 20 ms, for as long as anyone listens. */
export const drip =
  (start: string, drop: string): OnSocket =>
  (socket) => {
    socket.write(start);
    const dripping = setInterval(() => socket.write(drop), 20);
    socket.on('close', () => clearInterval(dripping));
  };

/** As much as the other side takes; the site counts it. Not all at once, or sockets would count more than readers. */
async function pour(start: string | Buffer, chunk: Buffer, into: Writable, site: Site) {
  async function* chunks() {
    yield start;
    for (;;) {
      site.taken += chunk.length;
      yield chunk;
      await sleep(1);
    }
  }
  // It breaks off when the other side has had enough.
  await pipeline(Readable.from(chunks(), { highWaterMark: 1 }), into).catch(() => {});
}

/** Bytes without end. */
export const flood =
  (start: string, unit: string): OnSocket =>
  (socket, site) =>
    pour(start, Buffer.from(unit.repeat(Math.ceil(65_536 / unit.length))), socket, site);

export const endlessBody = onWire(flood(`${HEAD}\r\n{"keys":[],"id":"`, 'x'));

/** A body of a size that is said beforehand. */
export const largeBody = onRequest((_request, response) => {
  const body = `{"keys":[],"id":"${'x'.repeat(16 * MIB)}"}`;
  response.writeHead(200, { 'content-length': body.length }).end(body);
});

/** Spaces without end; a KiB of them on the wire is a MiB for who unpacks it. */
export const gzipBomb = onRequest((_request, response, site) => {
  const spaces = (finishFlush: number) => deflateRawSync(Buffer.alloc(MIB, ' '), { finishFlush });
  // What comes before the data of a gzip member: RFC 1952 section 2.3.
  const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
  response.writeHead(200, { 'content-encoding': 'gzip' });
  return pour(header, spaces(constants.Z_SYNC_FLUSH), response, site);
});

export const halfAGzip = answer(200, gzipSync(HALF.repeat(99)).subarray(0, 30) as any, {
  'content-encoding': 'gzip',
});
export const noGzip = answer(200, '{"keys":[]}', { 'content-encoding': 'gzip' });
export const brotli = answer(200, brotliCompressSync('{"keys":[]}') as any, {
  'content-encoding': 'br',
});

export const hangInBody = onWire(say(`${HEAD}content-length: 999\r\n\r\n${HALF}`));
export const hangInHeaders = onWire(say(HEAD));
export const halfAndClose = onWire(sayAndClose(`${HEAD}content-length: 999\r\n\r\n${HALF}`));
export const halfAndReset = onWire(sayAndReset(`${HEAD}content-length: 999\r\n\r\n${HALF}`));
export const halfAChunk = onWire(
  sayAndClose(`${HEAD}transfer-encoding: chunked\r\n\r\n40\r\n${HALF}`),
);
export const noChunk = onWire(
  sayAndClose(`${HEAD}transfer-encoding: chunked\r\n\r\nzz\r\n${HALF}`),
);
/** All is there, but less of it is said to be. */
export const tooShort = onWire(say(`${HEAD}content-length: 9\r\n\r\n{"keys":[],"id":"1"}`));
/** One more answer than it was asked for, and not about the same user. */
export const twoAnswers = onWire((socket) => {
  const answers = [USER_ID, 'somebody else'].map((id) => {
    const body = JSON.stringify({ id });
    return `${HEAD}content-length: ${body.length}\r\n\r\n${body}`;
  });
  socket.write(answers.join(''));
});
export const twoLengths = onWire(
  sayAndClose(`${HEAD}content-length: 9\r\ncontent-length: 20\r\n\r\n{"keys":[],"id":"1"}`),
);
export const dripHeaders = onWire(drip(`${HEAD}x-drip: `, 'x'));
export const dripBody = onWire(drip(`${HEAD}\r\n{"keys":[],`, ' '));

const fields = (count: number) => 'x-field: 1\r\n'.repeat(count);
export const manyHeaders = onWire(sayAndClose(`${HEAD}${fields(100_000)}\r\n${HALF}`));
export const giantHeader = onWire(sayAndClose(`${HEAD}x: ${'x'.repeat(MIB)}\r\n\r\n${HALF}`));
export const endlessHeaders = onWire(flood(HEAD, fields(1)));
export const endlessHeader = onWire(flood(`${HEAD}x: `, 'x'));
export const endlessContinue = onWire(drip('', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1_000)));

/** To an address where nobody may come. */
export const redirect = (status: number, to: (decoy: string) => string): Misbehaviour =>
  onRequest(async (_request, response, site) =>
    response.writeHead(status, { location: to(await site.decoy()) }).end(),
  );
export const redirectToItself = onRequest(({ url }, response) =>
  response.writeHead(302, { location: url }).end(),
);

/** A TLS server of a certificate that is not the one it should have. */
export const withCertificate = (name: keyof Pki['identities']): Misbehaviour =>
  onConnection((socket, { pki }) => {
    const tls = new TLSSocket(socket, { isServer: true, ...pki.identities[name] });
    tls.on('error', () => {});
  });

/** Over HTTP/2: the stream of a request. */
export const onStream = (act: (stream: ServerHttp2Stream) => unknown): Misbehaviour =>
  onRequest((request) => act((request as any).stream));
