'use strict';

const { Abort, NativeClient } = require('../binding.js');
const { orAborted } = require('./abort.js');
const checks = require('./checks.js');
const { AbortError, StackAuthError } = require('./errors.js');
const { Templates } = require('./templates.js');
const { variableOf } = require('./options.js');
const { parseVerified } = require('./verified.js');

/**
 * @import { Abort as NativeAbort, ExportedKeys, Failure, NativeClient as Client } from '../binding'
 * @import { Options } from './options.js'
 * @import { Verified } from './verified.js'
 */

/**
 * @typedef {object} Bound options that were checked, and what was made of them
 * @property {number} number of the client
 * @property {InstanceType<typeof Templates>} templates
 * @property {number | undefined} currentDate
 * @property {AbortSignal | undefined} signal
 * @property {Client} client
 * @property {Options} settings
 */

/**
 * What `verify` returns in place of a result, if that takes time. A class of its own: a server may have replaced
 * `Promise`, and a result can have any members.
 */
class Pending {
  #outcome;

  /** @param {Promise<any>} outcome what `conclude` takes */
  constructor(outcome) {
    this.#outcome = outcome;
  }

  /**
   * @param {object} result
   * @returns {Promise<any> | undefined}
   */
  static outcomeOf(result) {
    return #outcome in result ? result.#outcome : undefined;
  }
}

/** Taken at load time, for a server may replace them. */
const { hasOwn } = Object;
const { isArray } = Array;
/** For servers with many tenants; a client that is dropped is made again when it is needed. */
const MAX_CLIENTS = 4_096;
/** With the keys that were handed over last. @type {Map<string, { client: Client, keys?: ExportedKeys }>} */
const clients = new Map();

/**
 * @param {Options} options
 * @returns {Bound}
 */
function bind({ currentDate, signal, keys, ...others }) {
  // Without prototypes: the native side would read options from a polluted one, and an `Array.prototype.toJSON` could
  // give different options the same key. Sorted, so that equal options have the same key.
  const settings = Object.create(null);
  for (const name of Object.keys(others).sort()) {
    const value = others[name];
    settings[name] = isArray(value) ? Object.setPrototypeOf([...value], null) : value;
  }
  const key = JSON.stringify(settings);
  let known = clients.get(key);
  if (!known) {
    known = { client: create(settings) };
    if (clients.size >= MAX_CLIENTS) {
      clients.delete(/** @type {string} */ (clients.keys().next().value));
    }
    clients.set(key, known);
  }
  importOnce(known, /** @type {ExportedKeys | undefined} */ (keys));
  const { client } = known;
  const templates = Templates.of(settings.tokenCacheBytes);
  return { number: client.number, templates, currentDate, signal, client, settings };
}

/**
 * Once, unless others came in between: a set from the future is ignored, and must not count when its time has come, for
 * a newer one may have been fetched since.
 *
 * @param {{ client: Client, keys?: ExportedKeys }} known
 * @param {ExportedKeys | undefined} keys
 */
function importOnce(known, keys) {
  if (!keys || (known.keys?.jwks === keys.jwks && known.keys.uat === keys.uat)) {
    return;
  }
  const failure = known.client.importKeys(keys);
  if (failure) {
    throw new StackAuthError(failure);
  }
  known.keys = keys;
}

/**
 * @param {object} settings
 * @returns {Client}
 */
function create(settings) {
  const client = NativeClient.create(settings);
  if (isFailure(client)) {
    const { message } = client;
    const variable = variableOf(settings, message);
    throw new StackAuthError(
      variable ? { ...client, message: `${message} (from ${variable})` } : client,
    );
  }
  return client;
}

/**
 * A verified token; or a `Pending`, if that takes other threads or the network.
 *
 * @param {Bound} bound
 * @param {Function} caller
 * @param {unknown} accessToken
 */
function verify(bound, caller, accessToken) {
  const { number, templates, currentDate, signal } = bound;
  if (signal?.aborted) {
    throw new AbortError(signal, siteOf(caller));
  }
  const ticket = checks.ticket();
  // Each argument that crosses takes time.
  let verdict =
    ticket === checks.IN_PLACE && currentDate === undefined
      ? checks.verify(number, accessToken)
      : checks.verify(number, accessToken, ticket, currentDate);
  if (typeof verdict === 'number') {
    const known = templates.copy(verdict);
    if (known) {
      return known;
    }
    const id = verdict;
    verdict = checks.verify(number, accessToken, checks.RECALL, currentDate);
    if (typeof verdict === 'string') {
      return templates.add(id, verdict);
    }
  }
  if (verdict === null) {
    const site = signal && siteOf(caller);
    return new Pending(orAborted(checks.gathered(ticket), signal, undefined, site));
  }
  if (verdict === undefined) {
    return new Pending(verifyWithKeys(bound, caller, accessToken));
  }
  checks.countInPlace();
  if (typeof verdict === 'string') {
    return parseVerified(verdict);
  }
  const error = new StackAuthError(/** @type {Failure} */ (verdict));
  // It is formatted only where somebody reads it.
  Error.captureStackTrace(error, caller);
  throw error;
}

/**
 * What `verify` left pending. To be called in an `async` function after its `await`, so that an error has the stack of
 * the caller that waits.
 *
 * @param {Bound} bound
 * @param {Function} caller
 * @param {unknown} accessToken
 * @param {Verified | Failure | undefined} outcome
 */
function conclude(bound, caller, accessToken, outcome) {
  if (outcome === undefined) {
    return verifyWithKeys(bound, caller, accessToken);
  }
  if (isFailure(outcome)) {
    throw new StackAuthError(outcome);
  }
  return outcome;
}

/**
 * @param {Bound} bound
 * @param {Function} caller
 * @param {unknown} accessToken
 */
function verifyWithKeys(bound, caller, accessToken) {
  return callNative(
    bound,
    caller,
    (client, date, abort) => client.verifyWithKeys(accessToken, date, abort),
    parseVerified,
  );
}

/**
 * The result of an async native call; throws a StackAuthError whose stack points at `caller` if it failed.
 *
 * @param {Bound} bound
 * @param {Function} caller
 * @param {(client: Client, currentDate?: number, abort?: NativeAbort) => Failure | Promise<string | Failure>} start
 * @param {(json: string) => any} [read]
 */
function callNative({ client, currentDate, signal }, caller, start, read = JSON.parse) {
  const site = siteOf(caller);
  if (signal?.aborted) {
    throw new AbortError(signal, site);
  }
  const abort = signal && new Abort();
  const outcome = start(client, currentDate, abort);
  if (isFailure(outcome)) {
    throw new StackAuthError(outcome, site);
  }
  return settle(orAborted(outcome, signal, abort, site), site, read);
}

/**
 * @param {Promise<string | Failure>} pending
 * @param {{ stack?: string }} site
 * @param {(json: string) => any} read
 */
async function settle(pending, site, read) {
  const outcome = await pending;
  if (typeof outcome === 'string') {
    return read(outcome);
  }
  throw new StackAuthError(outcome, site);
}

/**
 * By an own member: `Object.prototype` may have one of that name.
 *
 * @param {object} outcome
 * @returns {outcome is Failure}
 */
function isFailure(outcome) {
  return hasOwn(outcome, 'code');
}

/**
 * Where `caller` was called, captured before the wait, for a native promise has no stack. It takes 3 µs: nothing
 * beside a request, but too much for one check among many, where the async stack of `await` must do.
 *
 * @param {Function} caller
 * @returns {{ stack?: string }}
 */
function siteOf(caller) {
  const site = {};
  Error.captureStackTrace(site, caller);
  return site;
}

module.exports = { Pending, callNative, bind, conclude, verify };
