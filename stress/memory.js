// `npm run stress:memory [-- --count 3000000]`: verifications of every outcome, and how resident memory grows
// with them. Needs `--expose-gc`.

import { setImmediate as turn } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { getUser, StackAuth, verifyJwt } from '../index.js';
import { startIssuer } from './issuer.js';
import { Report } from './report.js';
import { forge, mint, newSigner } from './tokens.js';

const { values } = parseArgs({ options: { count: { type: 'string', default: '3000000' } } });
const count = Number(values.count);

const CALLERS = 32;
const SAMPLES = 90;
const MIB = 2 ** 20;
/** More of them are remembered than there is room for after a hundredth of the run. */
const TOKEN_CACHE_BYTES = MIB;

const signer = newSigner('k');
const stranger = newSigner('invented');
const issuer = await startIssuer([signer.jwk]);
const { projectId, secretServerKey, baseUrl } = issuer;
const options = { projectId, baseUrl, tokenCacheBytes: TOKEN_CACHE_BYTES };
const forUsers = { ...options, secretServerKey };
const client = new StackAuth(forUsers);
await client.warmUp();

const known = Array.from({ length: 200 }, () => mint(signer, options));
const expired = mint(signer, options, { exp: 1 });
const restricted = mint(signer, options, {
  iss: `${baseUrl}/api/v1/projects-restricted-users/${projectId}`,
  aud: `${projectId}:restricted`,
  is_restricted: true,
});
const nobody = Array.from({ length: 50 }, () => mint(signer, options, { name: null }));
/** @template T @param {T[]} items @returns {T} */
const pick = (items) => /** @type {T} */ (items[Math.floor(Math.random() * items.length)]);
/** What a server makes for each call. */
const anew = () => ({ ...options, timeout: 1_000 + Math.floor(Math.random() * 8) });

let unhandled = 0;
process.on('unhandledRejection', () => {
  unhandled += 1;
});

/**
 * What comes, how often of 10,000, and what must come of it; whatever is left is `seen before`.
 *
 * @typedef {{ share: number, outcome: string, call: () => Promise<unknown> | void }} Kind
 * @type {Record<string, Kind>}
 */
const kinds = {
  new: { share: 150, outcome: 'good', call: () => client.verifyJwt(mint(signer, options)) },
  forged: {
    share: 150,
    outcome: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    call: () => verifyJwt(forge(pick(known)), anew()),
  },
  expired: { share: 100, outcome: 'ERR_JWT_EXPIRED', call: () => client.verifyJwt(expired) },
  'expired by then': {
    share: 100,
    outcome: 'ERR_JWT_EXPIRED',
    call: () =>
      verifyJwt(pick(known), { ...options, currentDate: new Date(Date.now() + 7_200_000) }),
  },
  malformed: {
    share: 200,
    outcome: 'ERR_JWS_INVALID',
    call: () => verifyJwt(pick(known).slice(1 + Math.floor(Math.random() * 50)), anew()),
  },
  'no text': {
    share: 50,
    outcome: 'ERR_JWS_INVALID',
    call: () => verifyJwt(/** @type {any} */ ({ token: known[0] }), options),
  },
  'invented kid': {
    share: 100,
    outcome: 'ERR_JWKS_NO_MATCHING_KEY',
    call: () => client.verifyJwt(mint({ ...stranger, kid: `k${Math.random()}` }, options)),
  },
  restricted: {
    share: 50,
    outcome: 'ERR_USER_TYPE_NOT_ALLOWED',
    call: () => verifyJwt(restricted, anew()),
  },
  'unknown option': {
    share: 50,
    outcome: 'ERR_CONFIG',
    call: () => verifyJwt(pick(known), /** @type {any} */ ({ ...options, audience: 'x' })),
  },
  'aborted before': {
    share: 50,
    outcome: 'ABORT_ERR',
    call: () => client.verifyJwt(pick(known), { signal: AbortSignal.abort() }),
  },
  'aborted under way': {
    share: 50,
    outcome: 'ABORT_ERR',
    call: () => {
      const controller = new AbortController();
      const call = getUser(pick(known), { ...forUsers, signal: controller.signal });
      controller.abort();
      return call;
    },
  },
  'awaited by nobody': {
    share: 50,
    outcome: 'nobody knows',
    call: () => void verifyJwt(forge(pick(known)), anew()),
  },
  'user refused': {
    share: 10,
    outcome: 'ERR_USER_UNAUTHENTICATED',
    call: () => getUser(pick(nobody), forUsers),
  },
  user: {
    share: 10,
    outcome: 'good',
    call: () => getUser(pick(known), { ...forUsers, maxAge: 5 }),
  },
  'seen before, options anew': {
    share: 4_000,
    outcome: 'good',
    call: () => verifyJwt(pick(known), anew()),
  },
  'seen before': { share: 0, outcome: 'good', call: () => client.verifyJwt(pick(known)) },
};
const wheel = Object.entries(kinds).flatMap(([name, { share }]) => Array(share).fill(name));

/** How often each had each outcome. @type {Map<string, number>} */
const outcomes = new Map();
let wrong = 0;

async function ask() {
  const name = wheel[Math.floor(Math.random() * 10_000)] ?? 'seen before';
  const { call, outcome } = /** @type {Kind} */ (kinds[name]);
  const begun = call();
  const found = begun
    ? await begun.then(
        () => 'good',
        (/** @type {any} */ error) => error.code,
      )
    : 'nobody knows';
  outcomes.set(`${name}: ${found}`, (outcomes.get(`${name}: ${found}`) ?? 0) + 1);
  wrong += found === outcome ? 0 : 1;
}

/** @param {number} calls */
async function askMany(calls) {
  let left = calls;
  async function caller() {
    while (left > 0) {
      left -= 1;
      await ask();
      if (left % 64 === 0) {
        await turn();
      }
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

async function sample() {
  await turn();
  globalThis.gc?.();
  await turn();
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  return { rss, heapUsed, heapTotal, external };
}

/** Least squares: by how much `ys` grow from one to the next. @param {number[]} ys */
function slopeOf(ys) {
  const mean = (ys.length - 1) / 2;
  const rows = ys.map((y, at) => [(at - mean) * y, (at - mean) ** 2]);
  const sum = (/** @type {number} */ column) =>
    rows.reduce((total, row) => total + /** @type {number} */ (row[column]), 0);
  return sum(0) / sum(1);
}

/** @typedef {Awaited<ReturnType<typeof sample>>} Sample */
/** @type {Sample[]} */
const samples = [];
const each = Math.ceil(count / SAMPLES);
for (let at = 0; at < SAMPLES; at += 1) {
  await askMany(each);
  samples.push(await sample());
}
await issuer.kill();

const report = new Report();
report.note('verifications', each * SAMPLES);
for (const [outcome, times] of [...outcomes].sort()) {
  report.note(`- ${outcome}`, times);
}
report.atMost('outcomes that should have been otherwise', wrong, 0);
const alone = Number(outcomes.get('awaited by nobody: nobody knows'));
report.check('rejections that nobody handled', unhandled, `${alone}`, unhandled === alone);
const mib = (/** @type {number} */ bytes) => (bytes / MIB).toFixed(1);
for (let at = SAMPLES / 10 - 1; at < SAMPLES; at += SAMPLES / 10) {
  const { rss, heapUsed, heapTotal, external } = /** @type {Sample} */ (samples[at]);
  report.note(
    `after ${(at + 1) * each}: resident; heap used, of; external, MiB`,
    [mib(rss), mib(heapUsed), mib(heapTotal), mib(external)].join('; '),
  );
}
const settled = samples.slice(SAMPLES / 3);
/** @param {'rss' | 'heapUsed' | 'external'} what */
const perMillion = (what) =>
  (slopeOf(settled.map((sample) => sample[what])) / MIB / each) * 1_000_000;
report.note('slope of the heap, MiB a million', perMillion('heapUsed').toFixed(2));
report.note('slope of what is external, MiB a million', perMillion('external').toFixed(2));
const slope = perMillion('rss');
if (count < 1_000_000) {
  report.note('slope of resident memory, MiB a million', slope.toFixed(2));
} else {
  report.atMost('slope of resident memory, MiB a million', slope, 1);
}
const [first, last] = [settled.slice(0, 10), settled.slice(-10)].map((part) =>
  Math.min(...part.map(({ rss }) => rss)),
);
report.atMost('growth over the last two thirds, MiB', (Number(last) - Number(first)) / MIB, 8);
report.print();
