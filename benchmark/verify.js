// Verification: new tokens, tokens seen before, and a mixture.

import { availableParallelism } from 'node:os';

import { contenders } from './contenders.js';
import { bareSignatureCheck } from './limit.js';
import { best, inFlight, oneAtATime, shuffled } from './measure.js';
import { mint, received } from './tokens.js';

const CALLERS = 64;
/** Takes turns with the others, for a processor can be slower for a while. */
export const BARE = 'the bare check';

/** @param {Awaited<ReturnType<typeof import('./issuer.js').startIssuer>>} issuer */
export async function verification(issuer) {
  const all = contenders(issuer);
  const bare = await bareSignatureCheck();
  const tokens = (count) => Array.from({ length: count }, () => mint(issuer));
  for (const verify of Object.values(all)) {
    for (const token of tokens(20)) {
      await verify(token);
    }
  }
  /** Fast ones get more to do, so that each turn is long enough to be timed. */
  const share = (contender, count, few) => (contender.startsWith('@node-rs') ? few : count);

  const names = Object.keys(all);
  const alone = await best(
    [...names.filter((name) => !name.includes('identity')), BARE],
    14,
    (name) => (name === BARE ? bare(1) : oneAtATime(tokens(share(name, 600, 150)), all[name])),
  );

  const busy = {};
  const together = await best(
    [...names.filter((name) => !name.includes('cached') && !name.endsWith('sync')), BARE],
    14,
    async (name) => {
      if (name === BARE) {
        return bare(availableParallelism());
      }
      const figures = await inFlight(CALLERS, tokens(share(name, 1_500, 300)), all[name]);
      busy[name] = Math.min(busy[name] ?? Infinity, figures.busy);
      return figures.time;
    },
  );

  const remembers = (name) => name.startsWith('ours') || name.includes('cached');
  const seen = await best(names, 10, async (name) => {
    const [token] = tokens(1);
    await all[name](token);
    await all[name](token);
    const times = remembers(name) ? 20_000 : share(name, 400, 100);
    const requests = Array(times).fill(Buffer.from(token));
    return oneAtATime(requests, (bytes) => all[name](received(bytes)));
  });

  const mixed = await best(
    ['ours', 'jose', 'fast-jwt, cached', 'fast-jwt, cached by identity'],
    6,
    (name) => {
      const users = tokens(1_000).map((token) => Buffer.from(token));
      const requests = shuffled(users.flatMap((bytes) => Array(50).fill(bytes)));
      // What remembers nothing takes as long for any part of it.
      const some = remembers(name) ? requests : requests.slice(0, 3_000);
      return oneAtATime(some, (bytes) => all[name](received(bytes)));
    },
  );
  return { alone, together, busy, seen, mixed };
}
