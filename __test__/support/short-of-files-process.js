// Asks for keys while no file can be opened, and again once that is over.

import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { StackAuth } from '../../index.js';

const client = new StackAuth(JSON.parse(process.argv[2] ?? ''));
const failure = () =>
  client.warmUp().then(
    () => undefined,
    (error) => error,
  );
/** @param {any} error */
const outcomeOf = (error) => (error ? `${error.code}: ${error.cause?.message}` : 'keys');

const files = [];
try {
  for (;;) {
    files.push(openSync('/dev/null', 'r'));
  }
} catch {}
let short = await failure();
// As many as it takes to try at all.
while (/could not be started/.test(short?.message)) {
  closeSync(/** @type {number} */ (files.pop()));
  short = await failure();
}
for (const file of files) {
  closeSync(file);
}
await sleep(client.stats().keys.nextAttemptIn);
console.log(JSON.stringify([short, await failure()].map(outcomeOf)));
