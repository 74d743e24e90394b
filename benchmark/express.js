// What a verification costs an Express server, in µs a request under full load.

import { fork } from 'node:child_process';
import { once } from 'node:events';

import { Pool } from 'undici';

import { best, inFlight, shuffled } from './measure.js';
import { mint } from './tokens.js';

const USERS = 1_000;
const CONNECTIONS = 16;

/** @param {Awaited<ReturnType<typeof import('./issuer.js').startIssuer>>} issuer */
export async function expressServers(issuer) {
  const tokens = Array.from({ length: USERS }, () => mint(issuer));
  const servers = {};
  for (const who of ['without authentication', 'ours', 'jose']) {
    const file = new URL('express-server.js', import.meta.url);
    const child = fork(file, [who, issuer.baseUrl, issuer.projectId, issuer.issuer]);
    const [port] = await once(child, 'message');
    const pool = new Pool(`http://127.0.0.1:${port}`, { connections: CONNECTIONS, pipelining: 1 });
    servers[who] = { child, pool };
  }
  const ask = (pool) => async (token) => {
    const headers = { 'x-stack-access-token': token };
    const { statusCode, body } = await pool.request({ path: '/', method: 'GET', headers });
    await body.dump();
    if (statusCode !== 200) {
      throw new Error(`expected 200, found ${statusCode}`);
    }
  };
  const load = async (who, requests) =>
    (await inFlight(CONNECTIONS, requests, ask(servers[who].pool))).time;
  for (const who of Object.keys(servers)) {
    await load(who, [...tokens, ...tokens, ...tokens]);
  }
  const times = await best(Object.keys(servers), 14, (who) =>
    load(who, shuffled([...tokens, ...tokens, ...tokens, ...tokens])),
  );
  for (const { child, pool } of Object.values(servers)) {
    await pool.close();
    child.kill();
  }
  return times;
}
