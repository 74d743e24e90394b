// What becomes of connections that nobody waits for any more.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { expect, onTestFinished, test, vi } from 'vitest';

import { StackAuth } from '../index.js';
import { newPki, type Pki } from './support/faults/certificates.ts';
import { StandIn } from './support/stand-in.js';

async function listen(server: Server) {
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

/** A site whose connections close soon after an answer, so that there is seldom one to be had. */
function newSite({ cert, key }: { cert: string; key: string }) {
  const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{"id":"u"}';
  return createTlsServer({ cert, key, ALPNProtocols: ['http/1.1'] }, (socket) => {
    socket.on('error', () => {});
    let closing: NodeJS.Timeout | undefined;
    socket.on('data', () => {
      clearTimeout(closing);
      setTimeout(() => {
        socket.write(answer);
        // From the answer on, or on a busy machine the two would come together.
        closing = setTimeout(() => socket.end(), 170);
      }, 30);
    });
  });
}

test('a handshake that is never answered is given up, though its call went another way', async () => {
  const pki = await newPki();
  onTestFinished(() => pki.remove());
  const site = await listen(newSite(pki.identities.good));
  const open = new Set<Socket>();
  let connections = 0;
  const front = await listen(
    createServer((socket) => {
      socket.on('error', () => {});
      connections += 1;
      if (connections % 2 === 0) {
        open.add(socket);
        socket.on('close', () => open.delete(socket)).resume();
        return;
      }
      const other = connect(site, '127.0.0.1').on('error', () => {});
      socket.pipe(other).pipe(socket);
    }),
  );

  const standIn = await StandIn.start();
  onTestFinished(() => standIn.close());
  const token = await standIn.mint();
  const known = new StackAuth(standIn.options);
  await known.warmUp();
  const options = {
    ...standIn.options,
    baseUrl: `https://127.0.0.1:${front}`,
    issuerBaseUrls: [standIn.url],
    keys: known.exportKeys(),
    // Less than a handshake may take.
    timeout: 8_000,
  };
  const script = path.join(import.meta.dirname, 'support/dial-process.js');
  const child = spawn(process.execPath, [script, JSON.stringify({ options, token, rounds: 8 })], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: pki.file('authority') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill());
  const [outcomes] = await once(child.stdout, 'data');
  expect(new Set(JSON.parse(String(outcomes)))).toEqual(new Set(['fulfilled']));
  expect(open.size).toBeGreaterThan(8);
  await vi.waitUntil(() => open.size === 0, { timeout: 20_000, interval: 100 });
}, 60_000);

const NO_AUTHORITIES = {
  NODE_EXTRA_CA_CERTS: undefined,
  SSL_CERT_FILE: undefined,
  SSL_CERT_DIR: undefined,
};

test.for<[string, string, (pki: Pki) => string | Promise<string>]>([
  ['NODE_EXTRA_CA_CERTS', 'Too many open files', (pki) => pki.file('authority')],
  ['SSL_CERT_FILE', 'Too many open files', (pki) => pki.file('authority')],
  ['SSL_CERT_DIR', 'No CA certificates', directoryOf],
])(
  'an authority of %s that no file was to spare for counts once there is one',
  { timeout: 60_000 },
  async ([variable, why, place], { skip }) => {
    const { platform } = process;
    skip(platform === 'win32', 'there, files are not so few');
    skip(platform === 'darwin' && variable !== 'NODE_EXTRA_CA_CERTS', 'there, it is not read');
    const pki = await newPki();
    onTestFinished(() => pki.remove());
    const jwks = 'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"keys":[]}';
    const site = createTlsServer(pki.identities.good, (socket) => {
      socket.on('error', () => {}).on('data', () => socket.write(jwks));
    });
    const options = { projectId: 'p', baseUrl: `https://127.0.0.1:${await listen(site)}` };
    const script = path.join(import.meta.dirname, 'support/short-of-files-process.js');
    const command = 'ulimit -n 64; exec "$0" "$@"';
    const child = spawn('sh', ['-c', command, process.execPath, script, JSON.stringify(options)], {
      env: { ...process.env, ...NO_AUTHORITIES, [variable]: await place(pki) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill());
    const [outcomes] = await once(child.stdout, 'data');
    expect(JSON.parse(String(outcomes))).toEqual([
      expect.stringContaining(why),
      expect.stringContaining('ERR_JWKS_INVALID'),
    ]);
  },
);

/** With the authority under a name as `openssl rehash` gives it. */
async function directoryOf(pki: Pki) {
  const file = pki.file('authority');
  const directory = path.dirname(file);
  await copyFile(file, path.join(directory, '01234567.0'));
  return directory;
}
