// The traffic of one thread, at full speed: many callers, each of whom asks again as soon as it has its
// answer, and knows what that must be.

import { createHistogram } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';

import { StackAuth } from '../index.js';
import { forge, mint } from './tokens.js';

/** @import { Project, Signer } from './tokens.js' */

/** What all threads look at: the place of each number in `board`. */
export const STOP = 0;
/** How many of the keys are published by now; the last of them signs. */
export const PUBLISHED = 1;
/** Whether the first key was withdrawn. */
export const WITHDRAWN = 2;
/** Whether tokens with invented kids come as well. */
export const FLOOD = 3;

/** Milliseconds, the same in all threads. */
export const clock = () => Number(process.hrtime.bigint() / 1_000_000n);

const CALLERS = 64;
const SEEN_BEFORE = 500;
/** After so many answers without a wait, a caller lets the event loop turn. */
const TURN = 16;

/**
 * @typedef {object} Job
 * @property {Int32Array} board
 * @property {Project & { timeout: number, cacheMaxAge: number }} options
 * @property {Signer[]} signers in the order in which they are published
 *
 * @typedef {'seen' | 'new' | 'forged' | 'expired' | 'malformed' | 'withdrawn' | 'invented'} Kind
 * @typedef {{ kind: Kind, code: string, key: string, at: number }} Wrong
 */

/** @param {Job} job */
export async function drive({ board, options, signers }) {
  const client = new StackAuth(options);
  const latency = createHistogram();
  /** How often each kind of token had each outcome. @type {Map<string, number>} */
  const outcomes = new Map();
  /** The first of those that should have been otherwise. @type {Wrong[]} */
  const wrong = [];
  let wrongs = 0;
  let acceptedAfterGone = 0;
  let lastAcceptedAt = 0;
  let invented = 0;

  const seen = signers.map((signer) =>
    Array.from({ length: SEEN_BEFORE }, () => mint(signer, options)),
  );
  const expired = signers.map((signer) => mint(signer, options, { exp: 1 }));
  /** @template T @param {T[]} items @returns {T} */
  const pick = (items) => /** @type {T} */ (items[Math.floor(Math.random() * items.length)]);

  /** One that is published, and not withdrawn as far as anyone knows. */
  function pickKey() {
    const first = board[WITHDRAWN] ? 1 : 0;
    return first + Math.floor(Math.random() * (Number(board[PUBLISHED]) - first));
  }

  /** @returns {Kind} */
  function pickKind() {
    const die = Math.random();
    if (die < 0.04) return board[WITHDRAWN] ? 'withdrawn' : 'new';
    if (die < 0.08) return board[FLOOD] ? 'invented' : 'new';
    if (die < 0.12) return 'new';
    if (die < 0.14) return 'forged';
    if (die < 0.16) return 'expired';
    if (die < 0.18) return 'malformed';
    return 'seen';
  }

  /** @param {Kind} kind @param {number} key @returns {string} */
  function tokenOf(kind, key) {
    const signer = /** @type {Signer} */ (signers[key]);
    const known = pick(/** @type {string[]} */ (seen[key]));
    switch (kind) {
      case 'seen':
        return known;
      case 'forged':
        return forge(known);
      case 'malformed':
        return known.replace('.', '');
      case 'expired':
        return /** @type {string} */ (expired[key]);
      case 'invented':
        invented += 1;
        return mint({ ...signer, kid: `invented-${invented}` }, options);
      case 'withdrawn':
        return Math.random() < 0.5 ? known : mint(signer, options);
      case 'new':
        return mint(signer, options);
    }
  }

  /** Whether a token of that kind may have this outcome. @param {Kind} kind @param {string} code */
  function isRight(kind, code) {
    switch (kind) {
      case 'seen':
      case 'new':
        return code === 'good';
      case 'forged':
        return code === 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED';
      case 'expired':
        return code === 'ERR_JWT_EXPIRED';
      case 'malformed':
        return code === 'ERR_JWS_INVALID';
      case 'withdrawn':
        // In an outage nobody can know whether it came back.
        return ['good', 'ERR_JWKS_NO_MATCHING_KEY', 'ERR_JWKS_FETCH_FAILED'].includes(code);
      case 'invented':
        return code === 'ERR_JWKS_NO_MATCHING_KEY';
    }
  }

  async function ask() {
    const kind = pickKind();
    const key = kind === 'withdrawn' ? 0 : pickKey();
    const { kid } = /** @type {Signer} */ (signers[key]);
    const token = tokenOf(kind, key);
    // A refresh has seen that the key is gone, before this call begins.
    const gone = kind === 'withdrawn' && !client.stats().keys.kids.includes(kid);
    const begun = performance.now();
    const code = await client.verifyJwt(token).then(
      () => 'good',
      (error) => error.code,
    );
    latency.record(Math.max(1, Math.round((performance.now() - begun) * 1e6)));
    outcomes.set(`${kind}: ${code}`, (outcomes.get(`${kind}: ${code}`) ?? 0) + 1);
    if (kind === 'withdrawn' && code === 'good') {
      lastAcceptedAt = clock();
      acceptedAfterGone += gone ? 1 : 0;
    }
    // The key may have been withdrawn while the call was under way.
    const withdrawn = key === 0 && board[WITHDRAWN] && code === 'ERR_JWKS_NO_MATCHING_KEY';
    if (!isRight(kind, code) && !withdrawn) {
      wrongs += 1;
      if (wrong.length < 10) {
        wrong.push({ kind, code, key: kid, at: clock() });
      }
    }
  }

  async function caller() {
    for (let calls = 1; !board[STOP]; calls += 1) {
      await ask();
      if (calls % TURN === 0) {
        await turn();
      }
    }
  }

  await Promise.all(Array.from({ length: CALLERS }, caller));
  return { latency, outcomes, wrong, wrongs, acceptedAfterGone, lastAcceptedAt };
}
