'use strict';

const { NativeClient } = require('../binding.js');
const { abortOf, orAborted } = require('./abort.js');
const checks = require('./checks.js');
const { StackAuthError, configError } = require('./errors.js');
const { Templates } = require('./templates.js');

/**
 * @import { Abort, Failure, NativeClient as Client } from '../binding'
 * @import { Options } from './options.js'
 */

/**
 * @typedef {object} Bound options that were checked, and what was made of them
 * @property {Client} client
 * @property {InstanceType<typeof Templates>} templates
 * @property {number | undefined} currentDate
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
function bind({ currentDate, signal, keys, ...others }) {
  const exported = keys && {
    jwks: jsonOf(/** @type {any} */ (keys).jwks),
    uat: /** @type {any} */ (keys).uat,
  };
  // Without a prototype, for the native side would take what a polluted one has.
  const settings = Object.assign(Object.create(null), others, exported && { keys: exported });
  const key = JSON.stringify(settings);
  let client = clients.get(key);
  if (!client) {
    client = create(settings);
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

/** @param {unknown} jwks */
function jsonOf(jwks) {
  try {
    return String(JSON.stringify(jwks));
  } catch (cause) {
    throw configError('keys.jwks must be JSON', cause);
  }
}

/**
 * A verified token; a promise of one where other threads are at work.
 *
 * @param {Bound} bound
 * @param {Function} caller
 * @param {unknown} accessToken
 */
function verify({ client, templates, currentDate, signal }, caller, accessToken) {
  const abort = abortOf(signal, () => siteOf(caller));
  const { batch } = checks;
  let outcome = client.verify(accessToken, currentDate, false, batch, abort);
  if (typeof outcome === 'number') {
    const known = templates.copy(outcome);
    if (known) {
      return known;
    }
    const id = outcome;
    outcome = client.verify(accessToken, currentDate, true, batch, abort);
    if (typeof outcome === 'string') {
      return templates.add(id, outcome);
    }
  }
  if (outcome === null) {
    return settle(orAborted(checks.gathered(), signal, abort));
  }
  checks.countInPlace();
  if (typeof outcome === 'string') {
    return JSON.parse(outcome);
  }
  const pending = /** @type {Failure | Promise<string | Failure>} */ (outcome);
  return settleAt(siteOf(caller), pending, signal, abort);
}

/**
 * What a native call brings; a StackAuthError whose stack points at `caller` if it is a failure.
 *
 * @param {Bound} bound
 * @param {Function} caller
 * @param {(client: Client, currentDate?: number, abort?: Abort) => Failure | Promise<string | Failure>} start
 */
function ask({ client, currentDate, signal }, caller, start) {
  const abort = abortOf(signal, () => siteOf(caller));
  const outcome = start(client, currentDate, abort);
  return settleAt(siteOf(caller), outcome, signal, abort);
}

/**
 * @param {{ stack?: string }} site
 * @param {Failure | Promise<string | Failure>} outcome
 * @param {AbortSignal | undefined} signal
 * @param {Abort | undefined} abort
 */
function settleAt(site, outcome, signal, abort) {
  if ('code' in outcome) {
    throw new StackAuthError(outcome, site);
  }
  return settle(orAborted(outcome, signal, abort, site), site);
}

/**
 * @param {Promise<string | Failure>} pending
 * @param {{ stack?: string }} [site]
 */
async function settle(pending, site) {
  const outcome = await pending;
  if (typeof outcome === 'string') {
    return JSON.parse(outcome);
  }
  throw new StackAuthError(outcome, site);
}

/**
 * Where `caller` was called. Taken down before the wait, for a native promise has no stack. It takes
 * 3 µs, which are nothing beside a request and too much for one check among many: there, `await`
 * leaves a trace.
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
