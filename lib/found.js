'use strict';

const { isDeepStrictEqual } = require('node:util');

const { configError } = require('./errors.js');
const { describe } = require('./options.js');

/**
 * @import { Auth } from '../express.js'
 * @import { Options } from './options.js'
 */

/**
 * What a middleware found out about a request.
 *
 * @typedef {object} Found
 * @property {Auth | undefined} auth
 * @property {unknown} error why there is none
 * @property {boolean} isVisitor whether there is none because there is no token
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

/**
 * What an earlier middleware found, if it had the same token and equal options.
 *
 * @param {string} token
 * @param {Options} settings
 * @param {Found | undefined} previous
 * @returns {Auth | undefined}
 */
function reusableAuth(token, settings, previous) {
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
      ((name === 'keys' || Array.isArray(one[name])) && isDeepStrictEqual(one[name], other[name])),
  );
}

/**
 * @param {any} request
 * @param {Found | undefined} found
 */
function refuseForeignAuth(request, found) {
  const auth = request.auth ?? undefined;
  if (auth !== undefined && auth !== found?.auth) {
    throw configError(
      `request.auth is set by something else already: ${membersOf(auth)}. ` +
        'Use one of the two packages for a request, not both',
    );
  }
}

/**
 * Describes a value of another package by its names alone, for its values may be secret.
 *
 * @param {any} found
 */
function membersOf(found) {
  const names = Object.keys(found).filter((name) => /^[a-z_]\w{0,39}$/i.test(name));
  const members = names.length > 0 ? ` with ${names.slice(0, 8).join(', ')}` : '';
  return describe(found) + members;
}

module.exports = { THIS_COPY, foundOf, refuseForeignAuth, reusableAuth };
