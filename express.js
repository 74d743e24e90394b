'use strict';

const { isDeepStrictEqual } = require('node:util');

const { StackAuth, accessTokenFrom } = require('./index.js');
const { answerHeaders, describeToCaller } = require('./lib/challenge.js');
const { callerError, configError } = require('./lib/errors.js');
const { OPTIONS, describe, entriesOf, is, readOptions } = require('./lib/options.js');

/**
 * @import { Auth, AuthResponse, JsonResponse } from './express.js'
 * @import { Options, Table } from './lib/options.js'
 */

/**
 * What a middleware was made of.
 *
 * @typedef {object} Setup
 * @property {StackAuth} client
 * @property {boolean} required
 * @property {boolean} fetchUser
 * @property {boolean} cookies
 * @property {Options} settings all that can make a difference to what is found out about a token
 */

/** Where a request keeps what was found; of the global registry, for there may be two copies of this package. */
const AUTH = Symbol.for('stack-auth-native.auth');
/**
 * What of it was found by this copy, and under which settings.
 *
 * @type {WeakMap<Auth, Options>}
 */
const settingsOf = new WeakMap();

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
 */
function requireUser(options) {
  return middleware(setUp(options, true));
}

/** @param {unknown} [options] */
function optionalUser(options) {
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
  const others = entries.filter(([name, value]) => !(name in OWN_OPTIONS) && value !== undefined);
  if (settings.client && others.length > 0) {
    const names = others.map(([name]) => name).join(', ');
    throw configError(`a client has options already, so these do not count: ${names}`);
  }
  const client = settings.client ?? new StackAuth(Object.fromEntries(others));
  const { accessType, secretServerKey } = settings;
  if (fetchUser && !settings.client && accessType !== 'client' && secretServerKey === undefined) {
    throw configError(
      'fetchUser needs secretServerKey: pass the option, set HEXCLAVE_SECRET_SERVER_KEY or ' +
        'STACK_SECRET_SERVER_KEY, or ask with accessType "client"',
    );
  }
  return { client, required, fetchUser, cookies, settings };
}

/** @param {Setup} setup */
function middleware(setup) {
  /**
   * @param {any} request
   * @param {AuthResponse} response
   * @param {(error?: unknown) => void} next
   */
  return function stackAuth(request, response, next) {
    authenticate(request, setup).then(
      () => next(),
      (error) => {
        if (isStackAuthError(error)) {
          tellWhenToRetry(error, setup.client);
          setHeaders(response, error);
        }
        next(error);
      },
    );
  };
}

/**
 * @param {any} request
 * @param {Setup} setup
 */
async function authenticate(request, setup) {
  const previous = request[AUTH];
  keep(request, undefined);
  const token = accessTokenFrom(request, { cookies: setup.cookies });
  if (token === undefined) {
    if (setup.required) {
      throw missing();
    }
    return;
  }
  const auth = isVerified(previous, token, setup) ? previous : await verified(token, setup);
  if (setup.fetchUser) {
    auth.user = await auth.getUser();
  }
  keep(request, auth);
}

/**
 * Whether a middleware before this one has found out the same already.
 *
 * @param {Auth | undefined} auth
 * @param {string} token
 * @param {Setup} setup
 */
function isVerified(auth, token, { settings }) {
  const others = auth?.token === token ? settingsOf.get(auth) : undefined;
  return others !== undefined && isSame(others, settings);
}

/**
 * @param {Options} one
 * @param {Options} other
 */
function isSame(one, other) {
  const names = Object.keys({ ...one, ...other });
  return names.every(
    (name) =>
      Object.is(one[name], other[name]) ||
      (Array.isArray(one[name]) && isDeepStrictEqual(one[name], other[name])),
  );
}

/**
 * @param {string} token
 * @param {Setup} setup
 * @returns {Promise<Auth>}
 */
async function verified(token, { client, settings }) {
  const { payload } = await client.verifyJwt(token);
  /** @type {ReturnType<Auth['getUser']> | undefined} */
  let user;
  const auth = {
    token,
    payload,
    userId: payload.sub,
    userType: /** @type {Auth['userType']} */ (USER_TYPES[payload.iss.split('/').at(-2) ?? '']),
    getUser() {
      user ??= client.getUser(token);
      return user;
    },
  };
  settingsOf.set(auth, settings);
  return auth;
}

/**
 * By the path of `iss`, `<base>/api/v1/<path>/<project id>`.
 *
 * @type {Record<string, Auth['userType']>}
 */
const USER_TYPES = {
  projects: 'regular',
  'projects-restricted-users': 'restricted',
  'projects-anonymous-users': 'anonymous',
};

/**
 * @param {any} request
 * @param {Auth | undefined} auth
 */
function keep(request, auth) {
  const found = request.auth ?? undefined;
  if (found !== undefined && found !== request[AUTH]) {
    throw configError(
      `request.auth is set by something else already: ${membersOf(found)}. ` +
        'Use one of the two packages for a request, not both',
    );
  }
  Object.defineProperty(request, AUTH, { value: auth, configurable: true });
  request.auth = auth;
}

/**
 * What is told of a value that is none of ours: not more than names.
 *
 * @param {any} found
 */
function membersOf(found) {
  const names = Object.keys(found).filter((name) => /^[a-z_]\w{0,39}$/i.test(name));
  const members = names.length > 0 ? ` with ${names.slice(0, 8).join(', ')}` : '';
  return describe(found) + members;
}

/** @param {any} request */
function getAuth(request) {
  if (!(AUTH in request)) {
    throw configError('neither requireUser() nor optionalUser() came before this handler');
  }
  if (!request[AUTH]) {
    throw missing();
  }
  return request[AUTH];
}

function missing() {
  return callerError('ERR_TOKEN_MISSING', 401, 'there is no access token in the request');
}

function authErrorHandler() {
  /**
   * @param {any} error
   * @param {unknown} _request
   * @param {JsonResponse} response
   * @param {(error?: unknown) => void} next
   */
  return function answerAuthError(error, _request, response, next) {
    if (!isStackAuthError(error) || response.headersSent) {
      next(error);
      return;
    }
    if (error.status >= 500) {
      console.error(error); // Not the caller's to know, and the operator's to see.
    }
    setHeaders(response, error);
    const message = describeToCaller(error);
    response.status(error.status).json({ error: error.code, ...(message && { message }) });
  };
}

/**
 * Another copy of this package has a class of its own.
 *
 * @param {any} error
 */
function isStackAuthError(error) {
  return error instanceof Error && error.name === 'StackAuthError';
}

/**
 * When keys are fetched next is known, so nobody need guess.
 *
 * @param {any} error
 * @param {StackAuth} client
 */
function tellWhenToRetry(error, client) {
  if (error.status !== 503 || !error.code.startsWith('ERR_JWKS')) {
    return;
  }
  const nextAttemptIn = client.stats()?.keys?.nextAttemptIn;
  if (nextAttemptIn !== undefined) {
    const value = answerHeaders(error, Math.max(1, Math.ceil(nextAttemptIn / 1_000)));
    Object.defineProperty(error, 'headers', { value, configurable: true, writable: true });
  }
}

/**
 * @param {AuthResponse} response
 * @param {{ headers?: Record<string, string> }} error
 */
function setHeaders(response, { headers = {} }) {
  if (!response.headersSent) {
    for (const [name, value] of Object.entries(headers)) {
      response.setHeader(name, value);
    }
  }
}

/** @param {any} value */
function isClient(value) {
  return ['verifyJwt', 'getUser', 'stats'].every((name) => typeof value?.[name] === 'function');
}

module.exports = { authErrorHandler, getAuth, optionalUser, requireUser };
