// What the diagnostics channels cost: while nobody listens, and while somebody does.

import { channel } from 'node:diagnostics_channel';

import { contenders } from './contenders.js';
import { best, oneAtATime } from './measure.js';
import { mint, received } from './tokens.js';

/** @param {Awaited<ReturnType<typeof import('./issuer.js').startIssuer>>} issuer */
export async function channels(issuer) {
  const { ours } = contenders(issuer);
  return best(['unheard', 'listened', 'ask'], 6, async (name) => {
    const verify = channel('stack-auth-native:verify');
    if (name === 'ask') {
      return asking(verify);
    }
    const token = mint(issuer);
    await ours(token);
    const listener = () => {};
    if (name === 'listened') {
      verify.subscribe(listener);
    }
    const requests = Array(20_000).fill(Buffer.from(token));
    const time = await oneAtATime(requests, (bytes) => ours(received(bytes)));
    verify.unsubscribe(listener);
    return time;
  });
}

/** Microseconds for the one question that a call asks a channel. */
function asking(verify) {
  const times = 5_000_000;
  let heard = 0;
  const start = performance.now();
  for (let n = 0; n < times; n += 1) {
    heard += verify.hasSubscribers ? 1 : 0;
  }
  const time = performance.now() - start;
  if (heard !== 0) {
    throw new Error('somebody listens');
  }
  return (time * 1_000) / times;
}
