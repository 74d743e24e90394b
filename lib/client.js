'use strict';

const { Pending, callNative, bind, conclude, verify } = require('./calls.js');
const channels = require('./channels.js');
const { configError } = require('./errors.js');
const { entriesOf, isObject, readOptions } = require('./options.js');
const { Recent } = require('./recent.js');

/**
 * @import { Bound } from './calls.js'
 * @import { Options } from './options.js'
 */

/**
 * The options of a client as bound by `bind`, for the middleware, which verifies without a promise where it can;
 * `undefined` for another client, or if its `verifyJwt` was replaced.
 *
 * @type {(client: any) => Bound | undefined}
 */
let boundOfClient;

/** Of the options per call of one client, which mostly are of its own project. */
const MAX_PROJECTS = 16;

class StackAuth {
  /** @type {Options} */
  #options;
  /** @type {Bound} */
  #bound;
  /** @type {InstanceType<typeof Recent> | undefined} */
  #recent;

  /** @param {unknown} [options] */
  constructor(options) {
    this.#options = readOptions(entriesOf(options));
    this.#bound = bind(this.#options);
    // They were imported just now, and are not those of a call about another address.
    this.#options.keys = undefined;
  }

  /**
   * @param {unknown} accessToken
   * @param {unknown} [perCall]
   */
  async verifyJwt(accessToken, perCall) {
    const bound = StackAuth.#self(this).#with(perCall);
    if (channels.verify.hasSubscribers) {
      return publishedVerification(bound, verifyJwt, accessToken);
    }
    const verified = verify(bound, verifyJwt, accessToken);
    const pending = Pending.outcomeOf(verified);
    return pending ? conclude(bound, verifyJwt, accessToken, await pending) : verified;
  }

  /**
   * @param {unknown} accessToken
   * @param {unknown} [perCall]
   */
  async getUser(accessToken, perCall) {
    return user(StackAuth.#self(this).#with(perCall), StackAuth.prototype.getUser, accessToken);
  }

  async warmUp() {
    await callNative(
      StackAuth.#self(this).#bound,
      StackAuth.prototype.warmUp,
      (client, _date, abort) => client.warmUp(abort),
    );
  }

  exportKeys() {
    const keys = StackAuth.#self(this).#bound.client.exportKeys();
    return keys ? { jwks: JSON.parse(keys.jwks), uat: keys.uat } : undefined;
  }

  stats() {
    return StackAuth.#self(this).#bound.client.stats();
  }

  static {
    boundOfClient = (client) =>
      #bound in client && client.verifyJwt === verifyJwt ? client.#bound : undefined;
  }

  /**
   * @param {StackAuth | undefined} self what a method was called on
   * @returns {StackAuth}
   */
  static #self(self) {
    if (!isObject(self) || !(#bound in self)) {
      throw configError(
        "a client's method was called without its client, or by way of a Proxy: write client.verifyJwt(token), say",
      );
    }
    return self;
  }

  /** @param {unknown} perCall */
  #with(perCall) {
    if (perCall === undefined) {
      return this.#bound;
    }
    this.#recent ??= new Recent(MAX_PROJECTS, [], (entries) =>
      entries.length > 0 ? bind(readOptions(entries, this.#options)) : this.#bound,
    );
    return this.#recent.boundOf(perCall);
  }
}

const { verifyJwt } = StackAuth.prototype;

/**
 * @param {Bound} bound
 * @param {Function} caller
 * @param {unknown} accessToken
 */
function publishedVerification(bound, caller, accessToken) {
  const call = async () => {
    const verified = verify(bound, caller, accessToken);
    const pending = Pending.outcomeOf(verified);
    // After the wait, this function is on the stack in place of the caller.
    return pending ? conclude(bound, call, accessToken, await pending) : verified;
  };
  return channels.published(
    'verifyJwt',
    bound,
    call,
    (/** @type {any} */ { payload }) => payload.sub,
  );
}

/**
 * @param {Bound} bound
 * @param {Function} caller
 * @param {unknown} accessToken
 */
function user(bound, caller, accessToken) {
  const call = () =>
    callNative(bound, caller, (client, date, abort) => client.getUser(accessToken, date, abort));
  return channels.verify.hasSubscribers
    ? channels.published('getUser', bound, call, ({ id }) => id)
    : call();
}

module.exports = { StackAuth, boundOfClient, publishedVerification, user };
