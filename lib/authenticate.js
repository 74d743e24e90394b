'use strict';

const { tokenOf } = require('./access-token.js');
const { takeBack } = require('./auth-errors.js');
const { Pending, conclude, verify } = require('./calls.js');
const channels = require('./channels.js');
const { boundOfClient } = require('./client.js');
const { callerError, configError } = require('./errors.js');
const { THIS_COPY, foundOf, refuseForeignAuth, reusableAuth } = require('./found.js');
const { describe } = require('./options.js');

/**
 * @import { Auth, AuthResponse } from '../express.js'
 * @import { StackAuth as Client } from '../index.js'
 * @import { Bound } from './calls.js'
 * @import { Found } from './found.js'
 * @import { Options } from './options.js'
 */

/**
 * What a middleware was made of.
 *
 * @typedef {object} Setup
 * @property {Client} client
 * @property {boolean} required
 * @property {boolean} fetchUser
 * @property {boolean} cookies
 * @property {Options} settings all that can make a difference to the outcome of a token
 */

/**
 * A promise only if there is something to wait for: a remembered token costs less than a promise.
 *
 * @param {any} request
 * @param {AuthResponse} response
 * @param {Setup} setup
 * @returns {Promise<void> | undefined}
 */
function authenticate(request, response, setup) {
  const previous = foundOf.get(request);
  /** @type {Found} */
  const found = {
    auth: undefined,
    error: undefined,
    isVisitor: false,
    copy: THIS_COPY,
    settings: setup.settings,
  };
  foundOf.set(request, found);
  try {
    takeBack(previous?.error, response);
    refuseForeignAuth(request, previous);
    request.auth = undefined;
    const token = tokenOf(request, setup.cookies);
    if (token !== undefined) {
      return verifyToken(request, found, token, setup, previous);
    }
    if (setup.required) {
      throw missing();
    }
    found.isVisitor = true;
    return undefined;
  } catch (error) {
    throw refused(found, error);
  }
}

/**
 * @param {Found} found
 * @param {unknown} error
 */
function refused(found, error) {
  // To Express, a falsy error is none, and `'route'` and `'router'` are commands.
  const isError = typeof error === 'object' && error !== null;
  found.error = isError ? error : new Error(`expected an error, found ${describe(error)}`);
  return found.error;
}

/**
 * @param {any} request
 * @param {Found} found
 * @param {string} token
 * @param {Setup} setup
 * @param {Found | undefined} previous
 */
function verifyToken(request, found, token, setup, previous) {
  const { client, fetchUser, settings } = setup;
  // The token is verified all the same: the request of a WebSocket, say, can outlive it.
  const known = reusableAuth(token, settings, previous);
  const bound = channels.verify.hasSubscribers ? undefined : boundOfClient(client);
  /** @type {any} */
  const verified = bound ? verify(bound, authenticate, token) : client.verifyJwt(token);
  const pending = bound && Pending.outcomeOf(verified);
  if (!bound || pending || fetchUser) {
    return verifyLater(request, found, token, setup, known, pending ?? verified, pending && bound);
  }
  const auth = known ?? authOf(token, client, verified);
  request.auth = auth;
  found.auth = auth;
  return undefined;
}

/**
 * @param {any} request
 * @param {Found} found
 * @param {string} token
 * @param {Setup} setup
 * @param {any} known
 * @param {any} pending
 * @param {Bound} [bound] of what is yet to be concluded
 */
async function verifyLater(request, found, token, { client, fetchUser }, known, pending, bound) {
  try {
    const outcome = await pending;
    const verified = bound ? await conclude(bound, verifyLater, token, outcome) : outcome;
    const auth = known ?? authOf(token, client, verified);
    if (fetchUser) {
      auth.user = await auth.getUser();
    }
    if (foundOf.get(request) !== found) {
      throw configError('another middleware of this package began before this one was done');
    }
    refuseForeignAuth(request, found);
    request.auth = auth;
    found.auth = auth;
  } catch (error) {
    throw refused(found, error);
  }
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
    userType: /** @type {Auth['userType']} */ (userTypeOf(String(payload.iss))),
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
 * See express.d.ts.
 *
 * @param {any} request
 */
function getAuth(request) {
  const found = foundOf.get(request);
  if (!found) {
    throw configError('neither requireUser() nor optionalUser() came before this handler');
  }
  if (found.auth) {
    return found.auth;
  }
  if (found.isVisitor) {
    throw missing();
  }
  throw found.error ?? configError('the middleware before this handler has not called next() yet');
}

function missing() {
  return callerError('ERR_TOKEN_MISSING', 401, 'there is no access token in the request');
}

module.exports = { authenticate, getAuth };
