'use strict';

const { accessTokenFrom } = require('./lib/access-token.js');
const { ask, bind, conclude, verify } = require('./lib/calls.js');
const channels = require('./lib/channels.js');
const { StackAuthError } = require('./lib/errors.js');
const { entriesOf, readOptions } = require('./lib/options.js');
const { boundOf } = require('./lib/recent.js');

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
  const bound = boundOf(options);
  if (channels.verify.hasSubscribers) {
    return publishedVerification(bound, verifyJwt, accessToken);
  }
  const verified = verify(bound, verifyJwt, accessToken);
  return verified instanceof Promise
    ? conclude(bound, verifyJwt, accessToken, await verified)
    : verified;
}

/**
 * @param {unknown} accessToken
 * @param {unknown} [options]
 */
async function getUser(accessToken, options) {
  return user(bind(readOptions(entriesOf(options))), getUser, accessToken);
}

class StackAuth {
  /** @type {Options} */
  #options;
  /** @type {Bound} */
  #bound;

  /** @param {unknown} [options] */
  constructor(options) {
    this.#options = readOptions(entriesOf(options));
    this.#bound = bind(this.#options);
  }

  /**
   * @param {unknown} accessToken
   * @param {unknown} [perCall]
   */
  async verifyJwt(accessToken, perCall) {
    const bound = this.#with(perCall);
    const { verifyJwt: caller } = StackAuth.prototype;
    if (channels.verify.hasSubscribers) {
      return publishedVerification(bound, caller, accessToken);
    }
    const verified = verify(bound, caller, accessToken);
    return verified instanceof Promise
      ? conclude(bound, caller, accessToken, await verified)
      : verified;
  }

  /**
   * @param {unknown} accessToken
   * @param {unknown} [perCall]
   */
  async getUser(accessToken, perCall) {
    return user(this.#with(perCall), StackAuth.prototype.getUser, accessToken);
  }

  async warmUp() {
    await ask(this.#bound, StackAuth.prototype.warmUp, (client, _date, abort) =>
      client.warmUp(abort),
    );
  }

  exportKeys() {
    const keys = this.#bound.client.exportKeys();
    return keys ? { jwks: JSON.parse(keys.jwks), uat: keys.uat } : undefined;
  }

  stats() {
    return this.#bound.client.stats();
  }

  /** @param {unknown} perCall */
  #with(perCall) {
    if (perCall === undefined) {
      return this.#bound;
    }
    return bind(readOptions(entriesOf(perCall), this.#options));
  }
}

/**
 * @param {Bound} bound
 * @param {Function} caller
 * @param {unknown} accessToken
 */
function publishedVerification(bound, caller, accessToken) {
  return channels.published(
    'verifyJwt',
    bound,
    async () => conclude(bound, caller, accessToken, await verify(bound, caller, accessToken)),
    ({ payload }) => payload.sub,
  );
}

/**
 * @param {Bound} bound
 * @param {Function} caller
 * @param {unknown} accessToken
 */
function user(bound, caller, accessToken) {
  const call = () =>
    ask(bound, caller, (client, date, abort) => client.getUser(accessToken, date, abort));
  return channels.verify.hasSubscribers
    ? channels.published(
        'getUser',
        bound,
        async () => call(),
        ({ id }) => id,
      )
    : call();
}

module.exports = { StackAuth, StackAuthError, accessTokenFrom, getUser, verifyJwt };
