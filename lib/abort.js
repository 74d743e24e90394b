'use strict';

const { AbortError } = require('./errors.js');

/** @import { Abort as NativeAbort } from '../binding' */

/**
 * The outcome, or an AbortError as soon as the signal is aborted.
 *
 * @template T
 * @param {Promise<T>} pending
 * @param {AbortSignal | undefined} signal
 * @param {NativeAbort} [abort] ends the native call
 * @param {{ stack?: string }} [site]
 * @returns {Promise<T>}
 */
function orAborted(pending, signal, abort, site) {
  if (!signal) {
    return pending;
  }
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => {
      abort?.abort();
      reject(new AbortError(signal, site));
    });
    pending.finally(forget).then(resolve, reject);
  });
}

/** @type {WeakMap<AbortSignal, { calls: Set<() => void>, end: () => void }>} */
const waiting = new WeakMap();

/**
 * One listener for each signal, however many calls wait: Node warns of a leak from the eleventh on.
 *
 * @param {AbortSignal} signal
 * @param {() => void} call
 */
function onAbort(signal, call) {
  const { calls, end } = waiting.get(signal) ?? listen(signal);
  calls.add(call);
  return () => {
    calls.delete(call);
    if (calls.size === 0) {
      waiting.delete(signal);
      signal.removeEventListener('abort', end);
    }
  };
}

/** @param {AbortSignal} signal */
function listen(signal) {
  /** @type {Set<() => void>} */
  const calls = new Set();
  const end = () => {
    for (const call of calls) {
      call();
    }
  };
  signal.addEventListener('abort', end);
  waiting.set(signal, { calls, end });
  return { calls, end };
}

module.exports = { orAborted };
