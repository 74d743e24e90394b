'use strict';

const { Abort, NativeClient } = require('../binding.js');
const { AbortError, StackAuthError, standAt } = require('./errors.js');

/**
 * @import { Failure, NativeClient as Client } from '../binding'
 * @import { Options } from './options.js'
 */

/**
 * @typedef {object} Bound options that were checked, and the native client made of them
 * @property {Client} client
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
  return { client, currentDate, signal };
}

/** @param {object} settings */
function create(settings) {
  const client = NativeClient.create(settings);
  if ('code' in client) {
    throw new StackAuthError(client);
  }
  return client;
}

/**
 * The JSON that a native call brought, parsed; or a StackAuthError whose stack points at `caller`.
 *
 * @param {Bound} bound
 * @param {Function} caller
 * @param {(client: Client, currentDate?: number, abort?: Abort) => string | Failure | Promise<string | Failure>} start
 * @returns {Promise<any>}
 */
async function call({ client, currentDate, signal }, caller, start) {
  if (signal?.aborted) {
    throw abortError(signal, siteOf(caller));
  }
  const abort = signal && new Abort();
  const outcome = start(client, currentDate?.getTime(), abort);
  if (typeof outcome === 'string') {
    return JSON.parse(outcome);
  }
  const site = siteOf(caller);
  const settled = 'code' in outcome ? outcome : await orAborted(outcome, signal, abort, site);
  if (typeof settled === 'string') {
    return JSON.parse(settled);
  }
  throw new StackAuthError(settled, site);
}

/**
 * @template T
 * @param {Promise<T>} pending
 * @param {AbortSignal | undefined} signal
 * @param {Abort | undefined} abort
 * @param {{ stack?: string }} site
 * @returns {Promise<T>}
 */
function orAborted(pending, signal, abort, site) {
  if (!signal) {
    return pending;
  }
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      abort?.abort();
      reject(abortError(signal, site));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    pending.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
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
 * Where `caller` was called: taken down before the wait, for a native promise has no stack.
 *
 * @param {Function} caller
 * @returns {{ stack?: string }}
 */
function siteOf(caller) {
  const site = {};
  Error.captureStackTrace(site, caller);
  return site;
}

module.exports = { bind, call };
