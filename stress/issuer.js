// A stand-in for Stack Auth in a process of its own, which can be killed and comes back at the same port.

import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(import.meta.url);

/**
 * How it answers: as it should, never, or with a status of 503.
 *
 * @typedef {'answer' | 'hang' | 'error'} Mode
 * @typedef {{ jwks: object[], mode: Mode }} State
 */

/** @param {object[]} jwks */
export async function startIssuer(jwks) {
  /** @type {State} */
  const state = { jwks, mode: 'answer' };
  let port = 0;
  /** @type {import('node:child_process').ChildProcess} */
  let child;

  async function start() {
    child = fork(file, ['serve', JSON.stringify(state), String(port)], { execArgv: [] });
    [port] = await once(child, 'message');
  }

  /** @param {Partial<State>} change */
  async function set(change) {
    Object.assign(state, change);
    child.send(state);
    await once(child, 'message');
  }

  async function kill() {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  await start();
  return {
    projectId: randomUUID(),
    secretServerKey: 'ssk_stress',
    baseUrl: `http://127.0.0.1:${port}`,
    start,
    set,
    kill,
  };
}

if (process.argv[1] === file && process.argv[2] === 'serve') {
  /** @type {State} */
  let state = JSON.parse(process.argv[3] ?? '');
  const server = createServer((request, response) => {
    if (state.mode === 'hang') {
      return;
    }
    response.setHeader('content-type', 'application/json');
    if (state.mode === 'error') {
      response.writeHead(503).end('{}');
    } else if (request.url?.endsWith('/jwks.json')) {
      response.end(JSON.stringify({ keys: state.jwks }));
    } else {
      answerUser(request, response);
    }
  });
  const listen = () => server.listen(Number(process.argv[4]), '127.0.0.1');
  // While it was away, the system may have lent its port to a connection.
  server.on('error', () => setTimeout(listen, 20));
  server.on('listening', () => {
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    process.send?.(port);
  });
  listen();
  process.on('message', (message) => {
    state = /** @type {State} */ (message);
    process.send?.('done');
  });
  process.on('disconnect', () => process.exit());
}

/**
 * There is a user for each token, unless it has no name.
 *
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
function answerUser({ headers }, response) {
  const payload = String(headers['x-stack-access-token']).split('.')[1] ?? '';
  const { sub, name } = JSON.parse(String(Buffer.from(payload, 'base64url')));
  if (name) {
    response.end(JSON.stringify({ id: sub, display_name: name }));
    return;
  }
  const code = 'CANNOT_GET_OWN_USER_WITHOUT_USER';
  response.writeHead(400, { 'x-stack-known-error': code });
  response.end(JSON.stringify({ code, error: 'There is no user.' }));
}
