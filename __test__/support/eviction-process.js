// Verifies 200,000 tokens, of which a twenty-fifth fits into the cache, and prints what was seen.

import { setImmediate as turn } from 'node:timers/promises';

import { StackAuth } from '../../index.js';
import { mint, newSigner } from '../../stress/tokens.js';

const TOKENS = 200_000;
const AT_ONCE = 500;
const tokenCacheBytes = 16 * 2 ** 20;

const signer = newSigner('k');
const [projectId, baseUrl] = ['eviction', 'http://127.0.0.1:1'];
const keys = { jwks: { keys: [signer.jwk] }, uat: Date.now() };

/** @param {number} n */
const mintNth = (n) => mint(signer, { projectId, baseUrl }, { sub: `${n}` });

let wrong = 0;
/**
 * @param {number} count
 * @param {StackAuth} client
 */
async function verifyMany(count, client) {
  /** @type {(token: string, n: number) => Promise<void>} */
  const verify = async (token, n) => {
    const { payload } = await client.verifyJwt(token);
    wrong += payload.sub === `${n}` ? 0 : 1;
  };
  const first = mintNth(0);
  await verify(first, 0);
  for (let start = 0; start < count; start += AT_ONCE) {
    const tokens = Array.from({ length: AT_ONCE }, (_, at) => mintNth(start + at));
    await Promise.all(tokens.map((token, at) => verify(token, start + at)));
    await verify(tokens[0] ?? '', start); // twice more, so that it has a template too
    await verify(tokens[0] ?? '', start);
    await turn();
  }
  await verify(first, 0);
  globalThis.gc?.();
  // Without the room that V8 keeps for garbage, which grows with what a test makes of it.
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  return rss - (heapTotal - heapUsed);
}

const options = { projectId, baseUrl, keys };
// As much garbage, and nothing remembered: what else grows has grown by then.
const before = await verifyMany(20_000, new StackAuth({ ...options, tokenCacheBytes: 0 }));
const after = await verifyMany(TOKENS, new StackAuth({ ...options, tokenCacheBytes }));
console.log(JSON.stringify({ wrong, grown: (after - before) / tokenCacheBytes }));
