import { constants } from 'node:http2';

import type { StackAuthErrorCode } from '../../../index.js';
import * as faults from './faults.js';
import type { Misbehaviour, Transport } from './site.js';

/** What callers are told while a fault lasts. */
export interface Expectation {
  /** Where it strikes the keys, and `verifyJwt` has none that would do. */
  keys: StackAuthErrorCode;
  /** Where it strikes `users/me`. */
  user: StackAuthErrorCode;
  /** How many requests one call of `getUser` makes. */
  tries: number;
  /** Whether it lasts until the caller's time is up. */
  hangs?: boolean;
  /** Whether it would fill the caller's memory. */
  greedy?: boolean;
  /** Whether the next fetch after the fault may meet it still. */
  lingers?: boolean;
}

export interface Fault extends Expectation {
  transport: Transport;
  /** What the site does: "it …". */
  what: string;
  how: Misbehaviour;
}

/** The connection breaks off, or nobody could say what is on it: another try may go better. */
const BROKEN: Expectation = {
  keys: 'ERR_JWKS_FETCH_FAILED',
  user: 'ERR_API_UNAVAILABLE',
  tries: 3,
};
/** An answer, but not the one that was asked for. */
const REFUSAL: Expectation = { ...BROKEN, tries: 1 };
/** The right answer by its looks, but there is nothing in it. */
const NONSENSE: Expectation = { ...REFUSAL, keys: 'ERR_JWKS_INVALID' };
const TOO_LARGE: Expectation = { ...NONSENSE, greedy: true };
const HANGING: Expectation = {
  keys: 'ERR_JWKS_TIMEOUT',
  user: 'ERR_API_TIMEOUT',
  tries: 1,
  hangs: true,
};
const CALLER: Expectation = { ...REFUSAL, user: 'ERR_USER_UNAUTHENTICATED' };
const OPERATOR: Expectation = { ...REFUSAL, user: 'ERR_CONFIG' };

type Line = [what: string, how: Misbehaviour, expectation: Expectation];

const over = (transport: Transport, lines: Line[]): Fault[] =>
  lines.map(([what, how, expectation]) => ({ transport, what, how, ...expectation }));

const { onConnection, onRequest, onStream, onTunnel, onWire } = faults;
const { answer, knownError, redirect, reset, close, say, sayAndClose, sayAndReset, silence } =
  faults;
const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;
const HTML = '<!doctype html><title>Welcome to the hotel</title>';

export const FAULTS: Fault[] = [
  ...over('http', [
    ['refuses connections', faults.closedPort, BROKEN],
    ['resets connections', onConnection(reset), BROKEN],
    ['closes connections', onConnection(close), BROKEN],
    ['takes connections and is silent', onConnection(silence), HANGING],

    ['resets on a request', onWire(reset), BROKEN],
    ['closes on a request', onWire(close), BROKEN],
    ['hangs before the headers', onRequest(silence), HANGING],
    ['hangs inside the headers', faults.hangInHeaders, HANGING],
    ['hangs inside the body', faults.hangInBody, HANGING],
    ['drips headers', faults.dripHeaders, HANGING],
    ['drips a body', faults.dripBody, HANGING],

    ['closes inside the headers', onWire(sayAndClose('HTTP/1.1 200 OK\r\nconte')), BROKEN],
    ['closes inside the body', faults.halfAndClose, BROKEN],
    ['resets inside the body', faults.halfAndReset, BROKEN],
    ['closes inside a chunk', faults.halfAChunk, BROKEN],
    ['sends a chunk of no length', faults.noChunk, BROKEN],
    ['says less than the length of its body', faults.tooShort, NONSENSE],
    ['says two lengths that differ', faults.twoLengths, BROKEN],

    ['sends a body without end', faults.endlessBody, TOO_LARGE],
    ['sends a body of 16 MiB', faults.largeBody, TOO_LARGE],
    ['sends a gzip bomb', faults.gzipBomb, TOO_LARGE],
    ['cuts a gzip off', faults.halfAGzip, BROKEN],
    ['calls gzip what is none', faults.noGzip, BROKEN],
    ['compresses as nobody has asked it to', faults.brotli, NONSENSE],
    ['sends 100,000 header fields', faults.manyHeaders, { ...BROKEN, greedy: true }],
    ['sends a header of 1 MiB', faults.giantHeader, { ...BROKEN, greedy: true }],
    ['sends header fields without end', faults.endlessHeaders, { ...BROKEN, greedy: true }],
    ['sends a header without end', faults.endlessHeader, { ...BROKEN, greedy: true }],
    ['says to continue without end', faults.endlessContinue, { ...HANGING, greedy: true }],

    ['speaks SSH', onWire(sayAndClose('SSH-2.0-OpenSSH_9.2\r\n')), BROKEN],
    ['speaks TLS', onWire(sayAndClose('\x15\x03\x01\0\x02\x02\x46')), BROKEN],
    ['sends a status that is no number', onWire(sayAndClose('HTTP/1.1 2OO OK\r\n\r\n')), BROKEN],
    ['sends a header without a colon', onWire(sayAndClose('HTTP/1.1 200 OK\r\nx\r\n\r\n')), BROKEN],
    [
      'sends a zero byte in a header',
      onWire(sayAndClose('HTTP/1.1 200 OK\r\nx: \0\r\n\r\n')),
      BROKEN,
    ],
    ['switches protocols', onWire(say('HTTP/1.1 101 X\r\nupgrade: x\r\n\r\n')), REFUSAL],

    ...[301, 302, 303, 307, 308].map(
      (status): Line => [
        `redirects with ${status} to loopback`,
        redirect(status, (decoy) => `http://${decoy}/.well-known/jwks.json`),
        REFUSAL,
      ],
    ),
    ['redirects to https', redirect(302, (decoy) => `https://${decoy}/`), REFUSAL],
    ['redirects to ftp', redirect(302, (decoy) => `ftp://${decoy}/`), REFUSAL],
    ['redirects to a file', redirect(302, () => 'file:///etc/passwd'), REFUSAL],
    ['redirects without a scheme', redirect(307, (decoy) => `//${decoy}/`), REFUSAL],
    ['redirects to itself', faults.redirectToItself, REFUSAL],

    ['answers 200 with nothing', answer(200), NONSENSE],
    ['answers 200 with HTML', answer(200, HTML, { 'content-type': 'text/html' }), NONSENSE],
    ['answers 200 with JSON that is cut off', answer(200, '{"keys":[],"id":"5c2f'), NONSENSE],
    ['answers 204', answer(204), REFUSAL],
    ['answers 206', answer(206, '{"keys":[]}'), REFUSAL],
    ['answers 304 to who has no set', answer(304), REFUSAL],
    ['answers 404', answer(404, 'Not found'), { ...OPERATOR, keys: 'ERR_CONFIG' }],
    ['answers 429', answer(429), { ...BROKEN, user: 'ERR_API_RATE_LIMITED' }],
    ['answers 500', answer(500, HTML), BROKEN],
    ['answers 503 for an hour', answer(503, '', { 'retry-after': '3600' }), REFUSAL],
    ['says that the token has expired', knownError(401, 'ACCESS_TOKEN_EXPIRED'), CALLER],
    ['says that the secret key is wrong', knownError(401, 'INVALID_SECRET_SERVER_KEY'), OPERATOR],
    [
      'says that restricted users may not',
      knownError(403, 'RESTRICTED_USER_NOT_ALLOWED'),
      { ...REFUSAL, user: 'ERR_USER_TYPE_NOT_ALLOWED' },
    ],
  ]),

  ...over('IPv6', [
    ['refuses connections', faults.closedPort, BROKEN],
    ['resets connections', onConnection(reset), BROKEN],
    ['hangs before the headers', onRequest(silence), HANGING],
  ]),

  ...over('https', [
    ['has a certificate of another name', faults.withCertificate('wrongName'), BROKEN],
    ['has a certificate that has expired', faults.withCertificate('expired'), BROKEN],
    ['has a certificate of the future', faults.withCertificate('notYet'), BROKEN],
    ['has a certificate that it signed itself', faults.withCertificate('selfSigned'), BROKEN],
    ['speaks plain HTTP', onConnection(sayAndClose('HTTP/1.1 200 OK\r\n\r\n{}')), BROKEN],
    ['resets inside the handshake', onConnection(faults.resetOnData), BROKEN],
    ['is silent inside the handshake', onConnection(silence), HANGING],
    ['hangs before the headers', onRequest(silence), HANGING],
  ]),

  ...over('http/2', [
    ['refuses the stream', onStream((stream) => stream.close(NGHTTP2_REFUSED_STREAM)), BROKEN],
    ['resets the stream', onStream((stream) => stream.close(NGHTTP2_INTERNAL_ERROR)), BROKEN],
    ['goes away', onStream(({ session }) => session?.destroy(undefined, NGHTTP2_NO_ERROR)), BROKEN],
    [
      'goes away for a fault',
      onStream(({ session }) => session?.destroy(undefined, NGHTTP2_INTERNAL_ERROR)),
      BROKEN,
    ],
    ['hangs before the headers', onRequest(silence), HANGING],
    ['goes dead on the wire', faults.deadWire, { ...HANGING, lingers: true }],
  ]),

  ...over('proxy', [
    ['refuses connections', faults.closedPort, BROKEN],
    ['resets on CONNECT', onTunnel(reset), BROKEN],
    ['is silent on CONNECT', onTunnel(silence), HANGING],
    ['drips its answer', onTunnel(faults.drip('HTTP/1.1 200 OK\r\nx: ', 'x')), HANGING],
    ['answers without end', onTunnel(faults.flood('HTTP/1.1 200 OK\r\n', 'x: 1\r\n')), BROKEN],
    [
      'asks who is there',
      onTunnel(sayAndClose('HTTP/1.1 407 No\r\nproxy-authenticate: Basic\r\n\r\n')),
      BROKEN,
    ],
    ['forbids', onTunnel(sayAndClose('HTTP/1.1 403 No\r\n\r\n')), BROKEN],
    ['knows no way', onTunnel(sayAndClose('HTTP/1.1 502 No\r\n\r\n')), BROKEN],
    [
      'redirects',
      onTunnel(sayAndClose('HTTP/1.1 302 No\r\nlocation: http://127.0.0.1/\r\n\r\n')),
      BROKEN,
    ],
    ['speaks SSH', onTunnel(sayAndClose('SSH-2.0-OpenSSH_9.2\r\n')), BROKEN],
    ['opens the way and is silent', onTunnel(say('HTTP/1.1 200 OK\r\n\r\n')), HANGING],
    ['opens the way and resets', onTunnel(sayAndReset('HTTP/1.1 200 OK\r\n\r\n')), BROKEN],
  ]),
];
