// Calls the API over connections of which some are never made, and then waits to be killed.

import { setTimeout as sleep } from 'node:timers/promises';

import { StackAuth } from '../../index.js';

const { options, token, rounds } = JSON.parse(process.argv[2] ?? '');
const client = new StackAuth(options);
const outcomes = [];
for (let round = 0; round < rounds; round += 1) {
  const calls = Array.from({ length: 4 }, () => client.getUser(token));
  outcomes.push(...(await Promise.allSettled(calls)).map(({ status }) => status));
  await sleep(260); // Until the site has closed what is idle.
}
console.log(JSON.stringify(outcomes));
setInterval(() => {}, 60_000);
