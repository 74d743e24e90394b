// Serves the key set and one user from a process of its own, as another machine would.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

import users from '../lib/testing/users.js';
import { jwks } from './tokens.js';

const { newUser } = users;

const file = fileURLToPath(import.meta.url);

export const PROJECT_ID = 'b3a0c2d4-1e5f-4a6b-8c7d-9e0f1a2b3c4d';

/** Starts it; `keys` are this process's. */
export async function startIssuer() {
  const child = fork(file, ['serve', JSON.stringify(jwks)]);
  const [port] = await once(child, 'message');
  const baseUrl = `http://127.0.0.1:${port}`;
  const issuer = `${baseUrl}/api/v1/projects/${PROJECT_ID}`;
  return { baseUrl, projectId: PROJECT_ID, issuer, stop: () => child.kill() };
}

if (process.argv[1] === file && process.argv[2] === 'serve') {
  const [keys, user] = [process.argv[3], JSON.stringify(newUser(Date.now()))];
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(request.url?.endsWith('/jwks.json') ? keys : user);
  });
  server.listen(0, '127.0.0.1', () => process.send?.(server.address().port));
  process.on('disconnect', () => process.exit());
}
