// Asks for keys while no file can be opened, and again once that is over.

import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { StackAuth } from '../../index.js';

const client = new StackAuth(JSON.parse(process.argv[2] ?? ''));
const outcome = () =>
  client.warmUp().then(
    () => 'keys',
    (error) => `${error.code}: ${error.cause?.message}`,
  );

const files = [];
try {
  for (;;) {
    files.push(openSync('/dev/null', 'r'));
  }
} catch {}
const short = await outcome();
for (const file of files) {
  closeSync(file);
}
await sleep(client.stats().keys.nextAttemptIn);
console.log(JSON.stringify([short, await outcome()]));
