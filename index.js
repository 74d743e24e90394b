'use strict';

const { ask, bind, verify } = require('./lib/calls.js');
const { StackAuthError } = require('./lib/errors.js');
const { readOptions } = require('./lib/options.js');
const { learn, recall } = require('./lib/recent.js');

/**
 * @import { Bound } from './lib/calls.js'
 * @import { Options } from './lib/options.js'
 */

/**
 * See index.d.ts, as for everything here.
 *
 * @param {unknown} accessToken
 * @param {unknown} [options]
 */
async function verifyJwt(accessToken, options) {
  return verify(recall(options) ?? learn(options), verifyJwt, accessToken);
}

/**
 * @param {unknown} accessToken
 * @param {unknown} [options]
 */
async function getUser(accessToken, options) {
  return user(bind(readOptions(options)), getUser, accessToken);
}

class StackAuth {
  /** @type {Options} */
  #options;
  /** @type {Bound} */
  #bound;

  /** @param {unknown} [options] */
  constructor(options) {
    this.#options = readOptions(options);
    this.#bound = bind(this.#options);
  }

  /**
   * @param {unknown} accessToken
   * @param {unknown} [perCall]
   */
  async verifyJwt(accessToken, perCall) {
    return verify(this.#with(perCall), this.verifyJwt, accessToken);
  }

  /**
   * @param {unknown} accessToken
   * @param {unknown} [perCall]
   */
  async getUser(accessToken, perCall) {
    return user(this.#with(perCall), this.getUser, accessToken);
  }

  async warmUp() {
    await ask(this.#bound, this.warmUp, (client) => client.warmUp());
  }

  exportKeys() {
    const keys = this.#bound.client.exportKeys();
    return keys ? { jwks: JSON.parse(keys.jwks), uat: keys.uat } : undefined;
  }

  stats() {
    return { keys: this.#bound.client.stats() };
  }

  /** @param {unknown} perCall */
  #with(perCall) {
    return perCall === undefined ? this.#bound : bind(readOptions(perCall, this.#options));
  }
}

/**
 * @param {Bound} bound
 * @param {Function} caller
 * @param {unknown} accessToken
 */
function user(bound, caller, accessToken) {
  return ask(bound, caller, (client, date, abort) => client.getUser(accessToken, date, abort));
}

module.exports = { StackAuth, StackAuthError, getUser, verifyJwt };
