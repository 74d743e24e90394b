import { deepEqual } from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import { startStackAuth } from 'stack-auth-native/testing';

const stack = await startStackAuth();
Object.assign(process.env, stack.env);
const { server } = await import('./server.js');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;

async function me(accessToken: string): Promise<unknown> {
  const headers = { 'x-stack-access-token': accessToken };
  const response = await fetch(`http://127.0.0.1:${port}/api/me`, { headers });
  return [response.status, await response.json()];
}

const { user, accessToken } = stack.signIn({ email: 'ada@example.com' });
deepEqual(await me(accessToken), [200, { id: user.id, email: 'ada@example.com' }]);
const [status, answer] = (await me(`${accessToken.slice(0, -4)}AAAA`)) as [
  number,
  { error: string },
];
deepEqual([status, answer.error], [401, 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED']);
server.close();
await stack.stop();
