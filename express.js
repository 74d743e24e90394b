'use strict';

const { isDeepStrictEqual } = require('node:util');

const { tokenOf } = require('./lib/access-token.js');
const { Pending, conclude, verify } = require('./lib/calls.js');
const { answerHeaders, describeToCaller } = require('./lib/challenge.js');
const channels = require('./lib/channels.js');
const { StackAuth, boundOfClient } = require('./lib/client.js');
const { callerError, configError } = require('./lib/errors.js');
const { OPTIONS, describe, entriesOf, is, readOptions } = require('./lib/options.js');

/**
 * @import { Auth, AuthResponse, JsonResponse } from './express.js'
 * @import { StackAuth as Client } from './index.js'
 * @import { Bound } from './lib/calls.js'
 * @import { Options, Table } from './lib/options.js'
 */

/**
 * What a middleware was made of.
 *
 * @typedef {object} Setup
 * @property {Client} client
 * @property {boolean} required
 * @property {boolean} fetchUser
 * @property {boolean} cookies
 * @property {Options} settings all that can make a difference to what is found out about a token
 */

/**
 * What was found of a request.
 *
 * @typedef {object} Found
 * @property {Auth | undefined} auth
 * @property {object} copy of this package
 * @property {Options} settings
 */

const FOUND = Symbol.for('stack-auth-native.found');
/** @type {any} */
const registry = globalThis;
registry[FOUND] ??= new WeakMap();
/**
 * By request, and not in it: one more member of a request of Express takes V8 longer than an entry here.
 * On `globalThis`, for there may be two copies of this package.
 *
 * @type {WeakMap<object, Found>}
 */
const foundOf = registry[FOUND];
const THIS_COPY = {};

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
    let pending;
    try {
      pending = authenticate(request, setup);
    } catch (error) {
      fail(error, setup, response, next);
      return;
    }
    if (pending) {
      pending.then(
        () => next(),
        (error) => fail(error, setup, response, next),
      );
    } else {
      next();
    }
  };
}

/**
 * @param {any} error
 * @param {Setup} setup
 * @param {AuthResponse} response
 * @param {(error: unknown) => void} next
 */
function fail(error, { client }, response, next) {
  try {
    if (isStackAuthError(error)) {
      tellWhenToRetry(error, client);
      setHeaders(response, error);
    }
  } catch {} // A client of another make; the request must go on all the same.
  // To Express, nothing is no error, and a text can be an order.
  const isError = typeof error === 'object' && error !== null;
  next(isError ? error : new Error(`expected an error, found ${describe(error)}`));
}

/**
 * A promise only where there is something to wait for: a token seen before costs less than what Express
 * and Node make of a promise.
 *
 * @param {any} request
 * @param {Setup} setup
 * @returns {Promise<void> | undefined}
 */
function authenticate(request, setup) {
  const previous = foundOf.get(request);
  refuseOther(request, previous);
  /** @type {Found} */
  const found = { auth: undefined, copy: THIS_COPY, settings: setup.settings };
  foundOf.set(request, found);
  request.auth = undefined;
  const token = tokenOf(request, setup.cookies);
  if (token === undefined) {
    if (setup.required) {
      throw missing();
    }
    return undefined;
  }
  const known = sameOf(token, setup, previous);
  if (known) {
    return keep(request, found, known, setup);
  }
  const { client } = setup;
  const bound = channels.verify.hasSubscribers ? undefined : boundOfClient(client);
  if (!bound) {
    return keepLater(request, found, authLater(token, client, client.verifyJwt(token)), setup);
  }
  const verified = verify(bound, authenticate, token);
  const pending = Pending.outcomeOf(verified);
  return pending
    ? keepLater(request, found, authLater(token, client, pending, bound), setup)
    : keep(request, found, authOf(token, client, verified), setup);
}

/**
 * @param {string} token
 * @param {Client} client
 * @param {any} pending
 * @param {Bound} [bound] of what is yet to be concluded
 */
async function authLater(token, client, pending, bound) {
  const verified = await pending;
  return authOf(
    token,
    client,
    bound ? await conclude(bound, authLater, token, verified) : verified,
  );
}

/**
 * @param {any} request
 * @param {Found} found
 * @param {any} pending
 * @param {Setup} setup
 */
async function keepLater(request, found, pending, { fetchUser }) {
  const auth = await pending;
  if (fetchUser) {
    auth.user = await auth.getUser();
  }
  if (foundOf.get(request) !== found) {
    throw configError('another middleware of this package began before this one was done');
  }
  refuseOther(request, found);
  request.auth = auth;
  found.auth = auth;
}

/**
 * @param {any} request
 * @param {Found} found
 * @param {Auth} auth
 * @param {Setup} setup
 */
function keep(request, found, auth, setup) {
  if (setup.fetchUser) {
    return keepLater(request, found, auth, setup);
  }
  request.auth = auth;
  found.auth = auth;
  return undefined;
}

/**
 * What a middleware before this one has found out in the same way.
 *
 * @param {string} token
 * @param {Setup} setup
 * @param {Found | undefined} previous
 * @returns {Auth | undefined}
 */
function sameOf(token, { settings }, previous) {
  const isSame =
    previous?.auth?.token === token &&
    previous.copy === THIS_COPY &&
    isEqual(previous.settings, settings);
  return isSame ? previous.auth : undefined;
}

/**
 * @param {Options} one
 * @param {Options} other
 */
function isEqual(one, other) {
  const names = Object.keys({ ...one, ...other });
  return names.every(
    (name) =>
      Object.is(one[name], other[name]) ||
      (Array.isArray(one[name]) && isDeepStrictEqual(one[name], other[name])),
  );
}

/**
 * @param {string} token
 * @param {Client} client
 * @param {any} found
 * @returns {Auth}
 */
function authOf(token, client, { payload }) {
  /** @type {Promise<any> | undefined} */
  let user;
  return {
    token,
    payload,
    userId: payload.sub,
    userType: /** @type {Auth['userType']} */ (userTypeOf(payload.iss)),
    getUser() {
      user ??= client.getUser(token);
      return user;
    },
  };
}

/** @type {Array<[path: string, userType: Auth['userType']]>} */
const USER_TYPES = [
  ['/projects', 'regular'],
  ['/projects-restricted-users', 'restricted'],
  ['/projects-anonymous-users', 'anonymous'],
];

/**
 * By the path, for an issuer is `<base>/api/v1/<path>/<project id>`.
 *
 * @param {string} iss
 */
function userTypeOf(iss) {
  const end = iss.lastIndexOf('/');
  const [, userType] = USER_TYPES.find(([path]) => iss.endsWith(path, end)) ?? [];
  return userType;
}

/**
 * @param {any} request
 * @param {Found | undefined} found
 */
function refuseOther(request, found) {
  const auth = request.auth ?? undefined;
  if (auth !== undefined && auth !== found?.auth) {
    throw configError(
      `request.auth is set by something else already: ${membersOf(auth)}. ` +
        'Use one of the two packages for a request, not both',
    );
  }
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
  const found = foundOf.get(request);
  if (!found) {
    throw configError('neither requireUser() nor optionalUser() came before this handler');
  }
  if (!found.auth) {
    throw missing();
  }
  return found.auth;
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
 * @param {Client} client
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
