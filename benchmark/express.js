// What a verification costs an Express server, in µs a request under full load; and for how long its event loop is busy
// where each request has a new token, as after a deployment.

import { fork } from 'node:child_process';
import { once } from 'node:events';

import { Pool } from 'undici';

import { best, inFlight, shuffled } from './measure.js';
import { mint } from './tokens.js';

const USERS = 1_000;
const CONNECTIONS = 16;
const CONNECTIONS_WITH_NEW = 64;
const CONTENDERS = [
  'without authentication',
  'a Map, which checks nothing',
  'ours',
  'ours, requireUser',
  'jose',
];
/** Where V8 puts things differs by a few µs from process to process, so each contender has several. */
const PROCESSES = 4;

/** @param {Awaited<ReturnType<typeof import('./issuer.js').startIssuer>>} issuer */
export async function expressServers(issuer) {
  const tokens = Array.from({ length: USERS }, () => mint(issuer));
  const none = Object.fromEntries(CONTENDERS.map((who) => [who, Number.POSITIVE_INFINITY]));
  const express = { ...none };
  const expressBusy = { ...none };
  for (let round = 0; round < PROCESSES; round += 1) {
    const { times, busy } = await figuresOf(issuer, tokens);
    for (const who of CONTENDERS) {
      express[who] = Math.min(express[who], times[who]);
      expressBusy[who] = Math.min(expressBusy[who], busy[who]);
    }
  }
  return { express, expressBusy };
}

/**
 * @param {Parameters<typeof expressServers>[0]} issuer
 * @param {string[]} tokens
 */
async function figuresOf(issuer, tokens) {
  const servers = {};
  for (const who of CONTENDERS) {
    const file = new URL('express-server.js', import.meta.url);
    const child = fork(file, [who, issuer.baseUrl, issuer.projectId, issuer.issuer]);
    const [port] = await once(child, 'message');
    const poolOf = (connections) =>
      new Pool(`http://127.0.0.1:${port}`, { connections, pipelining: 1 });
    servers[who] = { child, pool: poolOf(CONNECTIONS), large: poolOf(CONNECTIONS_WITH_NEW) };
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
  const active = async ({ child }) => {
    child.send('');
    return (await once(child, 'message'))[0];
  };
  const busy = await best(CONTENDERS, 1, async (who) => {
    const news = Array.from({ length: 1_000 }, () => mint(issuer));
    const before = await active(servers[who]);
    await inFlight(CONNECTIONS_WITH_NEW, news, ask(servers[who].large));
    return ((await active(servers[who])) - before) * (1_000 / news.length);
  });
  for (const { child, pool, large } of Object.values(servers)) {
    await pool.close();
    await large.close();
    child.kill();
  }
  return { times, busy };
}
