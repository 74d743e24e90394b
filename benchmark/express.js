// What a verification costs an Express server, in µs a request under full load.

import { fork } from 'node:child_process';
import { once } from 'node:events';

import { Pool } from 'undici';

import { best, inFlight, shuffled } from './measure.js';
import { mint } from './tokens.js';

const USERS = 1_000;
const CONNECTIONS = 16;
const CONTENDERS = [
  'without authentication',
  'only a header read',
  'ours',
  'ours, requireUser',
  'jose',
];
/** Where V8 puts things differs by a few µs from process to process, so each contender has several. */
const PROCESSES = 4;

/** @param {Awaited<ReturnType<typeof import('./issuer.js').startIssuer>>} issuer */
export async function expressServers(issuer) {
  const tokens = Array.from({ length: USERS }, () => mint(issuer));
  const figures = Object.fromEntries(CONTENDERS.map((who) => [who, Number.POSITIVE_INFINITY]));
  for (let round = 0; round < PROCESSES; round += 1) {
    const times = await timesOf(issuer, tokens);
    for (const who of CONTENDERS) {
      figures[who] = Math.min(figures[who], times[who]);
    }
  }
  return figures;
}

/**
 * @param {Parameters<typeof expressServers>[0]} issuer
 * @param {string[]} tokens
 */
async function timesOf(issuer, tokens) {
  const servers = {};
  for (const who of CONTENDERS) {
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
  for (const who of CONTENDERS) {
    await load(who, [...tokens, ...tokens]);
  }
  const times = await best(CONTENDERS, 4, (who) => load(who, shuffled([...tokens, ...tokens])));
  for (const { child, pool } of Object.values(servers)) {
    await pool.close();
    child.kill();
  }
  return times;
}
