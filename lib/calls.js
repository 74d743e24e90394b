'use strict';

const { Abort, NativeClient } = require('../binding.js');
const { AbortError, StackAuthError, standAt } = require('./errors.js');
const { Templates } = require('./templates.js');

/**
 * @import { Failure, NativeClient as Client } from '../binding'
 * @import { Options } from './options.js'
 */

/**
 * @typedef {object} Bound options that were checked, and what was made of them
 * @property {Client} client
 * @property {InstanceType<typeof Templates>} templates
 * @property {Date | undefined} currentDate
 * @property {AbortSignal | undefined} signal
 */

/** Bounded, for a server of many tenants; what is dropped is only made again. */
const MAX_CLIENTS = 1_000;
/** @type {Map<string, Client>} */
const clients = new Map();

/**
 * @param {Options} options
 * @returns {Bound}
 */
function bind({ currentDate, signal, keys, ...settings }) {
  const { jwks, uat } = /** @type {{ jwks?: object, uat?: number }} */ (keys ?? {});
  const key = JSON.stringify([settings, uat, jwks]);
  let client = clients.get(key);
  if (!client) {
    client = create(jwks ? { ...settings, keys: { jwks: JSON.stringify(jwks), uat } } : settings);
    if (clients.size >= MAX_CLIENTS) {
      clients.delete(/** @type {string} */ (clients.keys().next().value));
    }
    clients.set(key, client);
  }
  return { client, templates: Templates.of(settings.tokenCacheBytes), currentDate, signal };
}

/** @param {object} settings */
function create(settings) {
  const client = NativeClient.create(settings);
  if ('code' in client) {
    throw new StackAuthError(client);
  }
  return client;
}

/** Signature checks of this thread: those on other threads, and those in place since its last turn. */
let underWay = 0;
const ended = () => {
  underWay -= 1;
};

/**
 * A verified token; a promise of one where other threads are at work.
 *
 * @param {Bound} bound
 * @param {Function} caller
 * @param {unknown} accessToken
 */
function verify({ client, templates, currentDate, signal }, caller, accessToken) {
  const date = currentDate?.getTime();
  const abort = signal && abortOf(signal, caller);
  let outcome = client.verify(accessToken, date, underWay === 0, false, abort);
  if (typeof outcome === 'number') {
    const known = templates.copy(outcome);
    if (known) {
      return known;
    }
    const id = outcome;
    outcome = client.verify(accessToken, date, underWay === 0, true, abort);
    if (typeof outcome === 'string') {
      templates.add(id, outcome);
      return JSON.parse(outcome);
    }
  }
  underWay += 1;
  if (typeof outcome === 'object' && 'then' in outcome) {
    return settle(outcome.finally(ended), caller, signal, abort);
  }
  queueMicrotask(ended);
  if (typeof outcome === 'string') {
    return JSON.parse(outcome);
  }
  throw new StackAuthError(/** @type {Failure} */ (outcome), siteOf(caller));
}

/**
 * The JSON that a native call brings, parsed; or a StackAuthError whose stack points at `caller`.
 *
 * @param {Bound} bound
 * @param {Function} caller
 * @param {(client: Client, currentDate?: number, abort?: Abort) => Failure | Promise<string | Failure>} start
 */
function ask({ client, currentDate, signal }, caller, start) {
  const abort = signal && abortOf(signal, caller);
  const outcome = start(client, currentDate?.getTime(), abort);
  if ('code' in outcome) {
    throw new StackAuthError(outcome, siteOf(caller));
  }
  return settle(outcome, caller, signal, abort);
}

/**
 * @param {Promise<string | Failure>} pending
 * @param {Function} caller
 * @param {AbortSignal | undefined} signal
 * @param {Abort | undefined} abort
 */
async function settle(pending, caller, signal, abort) {
  // Taken down before the wait, for a native promise has no stack.
  const site = siteOf(caller);
  const outcome = await (signal ? orAborted(pending, signal, abort, site) : pending);
  if (typeof outcome === 'string') {
    return JSON.parse(outcome);
  }
  throw new StackAuthError(outcome, site);
}

/**
 * @param {AbortSignal} signal
 * @param {Function} caller
 */
function abortOf(signal, caller) {
  if (signal.aborted) {
    throw abortError(signal, siteOf(caller));
  }
  return new Abort();
}

/**
 * @template T
 * @param {Promise<T>} pending
 * @param {AbortSignal} signal
 * @param {Abort | undefined} abort
 * @param {{ stack?: string }} site
 * @returns {Promise<T>}
 */
function orAborted(pending, signal, abort, site) {
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => {
      abort?.abort();
      reject(abortError(signal, site));
    });
    pending.then(resolve, reject).finally(forget);
  });
}

/** @type {WeakMap<AbortSignal, Set<() => void>>} */
const waiting = new WeakMap();

/**
 * One listener a signal, however many calls wait: Node warns of a leak from the eleventh on.
 *
 * @param {AbortSignal} signal
 * @param {() => void} call
 */
function onAbort(signal, call) {
  let calls = waiting.get(signal);
  if (!calls) {
    calls = new Set();
    waiting.set(signal, calls);
    signal.addEventListener('abort', endCalls);
  }
  calls.add(call);
  return () => {
    calls.delete(call);
    if (calls.size === 0) {
      waiting.delete(signal);
      signal.removeEventListener('abort', endCalls);
    }
  };
}

/** @param {Event} event */
function endCalls({ target }) {
  for (const call of waiting.get(/** @type {AbortSignal} */ (target)) ?? []) {
    call();
  }
}

/**
 * @param {AbortSignal} signal
 * @param {{ stack?: string }} site
 */
function abortError(signal, site) {
  const error = new AbortError(signal.reason);
  standAt(error, site);
  return error;
}

/**
 * Where `caller` was called.
 *
 * @param {Function} caller
 * @returns {{ stack?: string }}
 */
function siteOf(caller) {
  const site = {};
  Error.captureStackTrace(site, caller);
  return site;
}

module.exports = { ask, bind, verify };
