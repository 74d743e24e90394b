'use strict';

const { authErrorHandler, passOn, refuseRequest } = require('./lib/auth-errors.js');
const { authenticate, getAuth } = require('./lib/authenticate.js');
const { StackAuth } = require('./lib/client.js');
const { configError } = require('./lib/errors.js');
const { OPTIONS, entriesOf, is, readOptions } = require('./lib/options.js');

/**
 * @import { AuthResponse } from './express.js'
 * @import { Setup } from './lib/authenticate.js'
 * @import { Table } from './lib/options.js'
 */

/** @type {Table} */
const OWN_OPTIONS = {
  client: ['a StackAuth', isClient],
  fetchUser: ['a boolean', is('boolean')],
  cookies: ['a boolean', is('boolean')],
};
const ALL_OPTIONS = { ...OPTIONS, ...OWN_OPTIONS };

/**
 * See express.d.ts, as for everything here.
 *
 * @param {unknown} [options]
 * @param {unknown} [_response]
 * @param {unknown} [next]
 */
function requireUser(options, _response, next) {
  refuseRequest('requireUser', next);
  return middleware(setUp(options, true));
}

/**
 * @param {unknown} [options]
 * @param {unknown} [_response]
 * @param {unknown} [next]
 */
function optionalUser(options, _response, next) {
  refuseRequest('optionalUser', next);
  return middleware(setUp(options, false));
}

/**
 * @param {unknown} options
 * @param {boolean} required
 * @returns {Setup}
 */
function setUp(options, required) {
  const entries = entriesOf(options);
  const read = readOptions(entries, undefined, ALL_OPTIONS);
  const { fetchUser = false, cookies = false, ...rest } = /** @type {any} */ (read);
  /** Without a prototype, as options are read. @type {any} */
  const settings = Object.assign(Object.create(null), rest);
  const others = entries.filter(
    ([name, value]) => !Object.hasOwn(OWN_OPTIONS, name) && value !== undefined,
  );
  if (settings.client && others.length > 0) {
    const names = others.map(([name]) => name).join(', ');
    throw configError(`a client has options already, so these do not count: ${names}`);
  }
  /** @type {any} */
  const client = settings.client ?? new StackAuth(Object.fromEntries(others));
  const { accessType, secretServerKey } = settings;
  if (fetchUser && !settings.client && accessType !== 'client' && secretServerKey === undefined) {
    throw configError(
      'fetchUser needs secretServerKey: pass the option, set HEXCLAVE_SECRET_SERVER_KEY or ' +
        'STACK_SECRET_SERVER_KEY, or ask with accessType "client"',
    );
  }
  // A client has options of its own: the environment makes no difference then.
  return {
    client,
    required,
    fetchUser,
    cookies,
    settings: settings.client ? { client } : settings,
  };
}

/** @param {Setup} setup */
function middleware(setup) {
  /**
   * @param {any} request
   * @param {AuthResponse} response
   * @param {(error?: unknown) => void} next
   */
  return function stackAuth(request, response, next) {
    let pending;
    try {
      pending = authenticate(request, response, setup);
    } catch (error) {
      passOn(error, response, next);
      return;
    }
    if (pending) {
      pending.then(
        () => next(),
        (error) => passOn(error, response, next),
      );
    } else {
      next();
    }
  };
}

/** @param {any} value */
function isClient(value) {
  return ['verifyJwt', 'getUser', 'stats'].every((name) => typeof value?.[name] === 'function');
}

module.exports = { authErrorHandler, getAuth, optionalUser, requireUser };
