// `npm run demo`: the README's Express server in front of a stand-in for Stack Auth, on loopback.
// With `--serve` there is a page to try it out.

import { once } from 'node:events';

import { startStackAuth } from '../testing.js';
import { createServer } from './server.js';

/** @import { Server } from 'node:http' */

const stack = await startStackAuth();

if (process.argv.includes('--serve')) {
  const server = createServer(stack).listen(Number(process.env.PORT ?? 0), '127.0.0.1');
  const url = await urlOf(server);
  const { accessToken } = stack.signIn({ email: 'ada@example.com', expiresIn: 86_400 });
  console.log(`Open ${url} in a browser. Ctrl-C ends it. Without a browser:`);
  console.log(`curl -H 'x-stack-access-token: ${accessToken}' ${url}/api/claims`);
} else {
  process.exitCode = await show();
}

/** @param {Server} server */
async function urlOf(server) {
  if (!server.listening) {
    await once(server, 'listening');
  }
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return `http://127.0.0.1:${port}`;
}

/** Sends one token after another; the number of answers that were not as they should be. */
async function show() {
  Object.assign(process.env, stack.env, { PORT: process.env.PORT ?? '0' });
  const { server } = await import('../examples/express.mts');
  const url = await urlOf(server);
  const { user, accessToken: good } = stack.signIn({ email: 'ada@example.com' });
  console.log(
    `${'a token'.padEnd(44)}${'path'.padEnd(14)}${'answer'.padEnd(48)}${'ms'.padStart(6)}`,
  );
  let failed = 0;
  /** @type {(what: string, token: string, expected: number, path?: string) => Promise<void>} */
  const send = async (what, token, expected, path = '/api/me') => {
    const started = performance.now();
    const response = await fetch(url + path, { headers: { 'x-stack-access-token': token } });
    const body = /** @type {any} */ (await response.json());
    const took = (performance.now() - started).toFixed(1);
    const answer = `${response.status} ${body.error ?? body.email}`;
    console.log(what.padEnd(44) + path.padEnd(14) + answer.padEnd(48) + took.padStart(6));
    failed += response.status === expected ? 0 : 1;
  };

  await send('good, the first (the keys are fetched)', good, 200);
  await send('good', good, 200);
  await send('good, for the whole user', good, 200, '/api/profile');
  await send('expired', stack.signIn({ user, expiresIn: -1 }).accessToken, 401);
  await send('forged: another payload, the same signature', forge(good), 401);
  await send('of an anonymous user', stack.signIn({ type: 'anonymous' }).accessToken, 403);
  stack.rotateKeys();
  await send('good, under a key that is new', stack.signIn({ user }).accessToken, 200);
  await send('good, under the old key', good, 200);
  const later = stack.signIn({ user, displayName: 'Ada' }).accessToken;
  await stack.outage('refuse');
  await send('good, while Stack Auth is down', later, 200);
  console.log('(Next, the server logs what is not the fault of its caller.)');
  await send('good, for the user, while it is down', later, 503, '/api/profile');
  await stack.recover();
  await send('good, for the user, when it is back', later, 200, '/api/profile');
  server.close();
  await stack.stop();
  console.log(failed === 0 ? '\nAll as it should be.' : `\n${failed} not as it should be.`);
  return failed === 0 ? 0 : 1;
}

/** @param {string} token */
function forge(token) {
  const [header, payload = '', signature] = token.split('.');
  const claims = JSON.parse(String(Buffer.from(payload, 'base64url')));
  const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'somebody-else' }));
  return `${header}.${forged.toString('base64url')}.${signature}`;
}
