'use strict';

const { randomBytes, randomUUID } = require('node:crypto');
const { once } = require('node:events');
const { createServer } = require('node:http');
const { isDate } = require('node:util/types');

const { answerTo, issuerOf, plain } = require('./lib/testing/api.js');
const { Keys } = require('./lib/testing/keys.js');
const {
  USER_TYPES,
  claimsOf,
  newUser,
  normalized,
  typeOf,
  update,
} = require('./lib/testing/users.js');

/**
 * @import { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
 * @import { AddressInfo } from 'node:net'
 * @import { CurrentUser } from './index.js'
 * @import { Answer, Project } from './lib/testing/api.js'
 * @import { OutageKind, OutageOptions, SignInOptions, StackAuthRequest, StartOptions } from './testing.js'
 */

/**
 * What comes in place of the usual answer; nothing if the outage has none.
 *
 * @type {Record<OutageKind, (options: OutageOptions) => Answer | undefined>}
 */
const OUTAGES = {
  refuse: () => undefined,
  hang: () => undefined,
  error: () =>
    plain(500, 'Something went wrong. Please make sure the data you entered is correct.'),
  rateLimit: ({ retryAfter }) =>
    plain(
      429,
      'Too Many Requests',
      retryAfter === undefined ? {} : { 'retry-after': `${retryAfter}` },
    ),
};

/**
 * On Node.js 20, contexts such as those of vitest's vmThreads have none, and compilers of `await using` then take this.
 *
 * @type {typeof Symbol.asyncDispose}
 */
const asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');

/** See testing.d.ts, as for everything here. */
class StackAuthStandIn {
  /** @type {StackAuthRequest[]} */
  requests = [];
  /** @type {Project} */
  #project;
  /** @type {number | undefined} */
  #now;
  /** @type {(() => Answer | undefined) | undefined} */
  #outage;
  #port = 0;
  #stopped = false;
  /** @type {Promise<void>} */
  #changed = Promise.resolve();
  // An idle connection stays, for one that is closed as it is used again would fail a test by chance.
  #server = createServer({ keepAliveTimeout: 0 }, (request, response) =>
    this.#answer(request, response),
  );

  /** @param {StartOptions} options */
  constructor({ projectId = randomUUID(), requirePublishableClientKey = false }) {
    const standIn = this;
    this.#project = {
      projectId,
      requirePublishableClientKey,
      secretServerKey: `ssk_${randomBytes(24).toString('base64url')}`,
      publishableClientKey: `pck_${randomBytes(24).toString('base64url')}`,
      keys: new Keys(Object.values(USER_TYPES).map(({ suffix }) => projectId + suffix)),
      users: new Map(),
      get baseUrl() {
        return `http://127.0.0.1:${standIn.#port}`;
      },
      get clock() {
        return standIn.clock;
      },
    };
    // Specs hand them over as they are: `afterAll(stack.stop)`.
    this.recover = this.recover.bind(this);
    this.stop = this.stop.bind(this);
    // A test that forgets to stop it must not keep its process from ending.
    this.#server.unref().on('connection', (socket) => socket.unref());
  }

  /** @param {unknown} [options] */
  static async start(options = {}) {
    checkNames('startStackAuth', options, ['projectId', 'requirePublishableClientKey']);
    const standIn = new StackAuthStandIn(/** @type {StartOptions} */ (options));
    await standIn.#listen();
    return standIn;
  }

  get options() {
    const { projectId, secretServerKey, publishableClientKey, baseUrl } = this.#project;
    return { projectId, secretServerKey, publishableClientKey, baseUrl };
  }

  get env() {
    const { projectId, secretServerKey, publishableClientKey, baseUrl } = this.#project;
    return {
      HEXCLAVE_PROJECT_ID: projectId,
      HEXCLAVE_SECRET_SERVER_KEY: secretServerKey,
      HEXCLAVE_PUBLISHABLE_CLIENT_KEY: publishableClientKey,
      HEXCLAVE_API_URL: baseUrl,
    };
  }

  /** @returns {Date} */
  get clock() {
    return new Date(this.#now ?? Date.now());
  }

  /** @param {Date | undefined} date */
  set clock(date) {
    if (date !== undefined && (!isDate(date) || Number.isNaN(date.getTime()))) {
      throw new TypeError('clock must be a valid Date, or undefined for the system’s clock');
    }
    this.#now = date?.getTime();
  }

  /** @param {SignInOptions} [options] */
  signIn(options = {}) {
    const { email, type, fields, expiresIn = 600, claims } = options;
    const names = ['user', 'email', 'displayName', 'type', 'fields', 'expiresIn', 'claims'];
    checkNames('signIn', options, names);
    if (type !== undefined && !Object.hasOwn(USER_TYPES, type)) {
      throw new TypeError(`type must be one of ${Object.keys(USER_TYPES).join(', ')}`);
    }
    if (typeof (email ?? '') !== 'string') {
      throw new TypeError('email must be a string, or null');
    }
    if (!Number.isFinite(expiresIn)) {
      throw new TypeError('expiresIn must be a number (seconds)');
    }
    JSON.stringify(claims); // Throws a TypeError for what could not be signed.
    const user = this.#userOf({ ...options, fields: served(fields) });
    const { projectId, keys } = this.#project;
    const audience = projectId + USER_TYPES[typeOf(user)].suffix;
    const iat = Math.floor(this.clock.getTime() / 1_000);
    const accessToken = keys.sign(audience, {
      ...claimsOf(user, projectId),
      iss: issuerOf(this.#project, audience),
      iat,
      aud: audience,
      exp: iat + expiresIn,
      ...claims,
    });
    return { user, accessToken };
  }

  /** @param {string | { id: string }} user */
  deleteUser(user) {
    return this.#project.users.delete(idOf(user));
  }

  /** @param {{ withdraw?: boolean | undefined }} [options] */
  rotateKeys(options = {}) {
    checkNames('rotateKeys', options, ['withdraw']);
    this.#project.keys.rotate(options.withdraw ?? false);
  }

  /**
   * @param {OutageKind} kind
   * @param {OutageOptions} [options]
   */
  async outage(kind, options = {}) {
    if (!Object.hasOwn(OUTAGES, kind)) {
      throw new TypeError(`an outage is one of ${Object.keys(OUTAGES).join(', ')}`);
    }
    checkNames('outage', options, ['retryAfter']);
    const { retryAfter = 0 } = options;
    if (!Number.isSafeInteger(retryAfter) || retryAfter < 0) {
      throw new TypeError('retryAfter must be a whole number (seconds)');
    }
    await this.#inTurn(async () => {
      await this.#listen();
      this.#outage = () => OUTAGES[kind](options);
      if (kind === 'refuse') {
        await this.#close();
      }
    });
  }

  async recover() {
    await this.#inTurn(() => {
      this.#outage = undefined;
      return this.#listen();
    });
  }

  async stop() {
    this.#stopped = true;
    await this.#inTurn(() => this.#close());
  }

  [asyncDispose]() {
    return this.stop();
  }

  /**
   * Changes take their turns, for a server can be started again only once it has stopped.
   *
   * @param {() => Promise<void>} change
   */
  #inTurn(change) {
    const done = this.#changed.then(change);
    this.#changed = done.catch(() => {});
    return done;
  }

  async #listen() {
    if (!this.#stopped && !this.#server.listening) {
      this.#server.listen(this.#port, '127.0.0.1');
      await once(this.#server, 'listening');
      this.#port = /** @type {AddressInfo} */ (this.#server.address()).port;
    }
  }

  async #close() {
    if (this.#server.listening) {
      this.#server.close();
      this.#server.closeAllConnections();
      await once(this.#server, 'close');
    }
  }

  /**
   * The user that is meant, updated; a new one if there is none yet.
   *
   * @param {SignInOptions & { fields: Partial<CurrentUser> }} options
   */
  #userOf(options) {
    const { users, clock } = this.#project;
    const { type, fields } = options;
    let user = this.#find(options);
    if (!user) {
      user = newUser(clock.getTime());
      const isAnonymous = type === 'anonymous' || fields.is_anonymous;
      user.primary_email = isAnonymous ? null : `user-${user.id.slice(0, 8)}@example.com`;
    }
    const { id } = user;
    if (fields.id !== undefined && fields.id !== id && users.has(fields.id)) {
      throw new TypeError(`there is another user ${fields.id}`);
    }
    user.last_active_at_millis = clock.getTime();
    update(user, options);
    user.id ??= id; // A field that is undefined is left out, but this one.
    if (user.id !== id) {
      users.delete(id); // `fields` gave it another.
    }
    users.set(user.id, user);
    return user;
  }

  /** @param {SignInOptions & { fields: Partial<CurrentUser> }} options */
  #find({ user: who, email, fields }) {
    const { users } = this.#project;
    if (who !== undefined) {
      const user = users.get(idOf(who));
      if (!user) {
        throw new TypeError(`there is no user ${idOf(who)}`);
      }
      return user;
    }
    const wanted = normalized('primary_email' in fields ? fields.primary_email : email);
    return (
      [...users.values()].find(
        ({ primary_email }) => wanted !== null && normalized(primary_email) === wanted,
      ) ?? users.get(/** @type {string} */ (fields.id))
    );
  }

  /**
   * @param {IncomingMessage} request
   * @param {ServerResponse} response
   */
  #answer({ method = '', url: path = '', headers }, response) {
    this.requests.push({ method, path, headers: withoutSecrets(headers) });
    const answer = this.#outage ? this.#outage() : answerTo(this.#project, method, path, headers);
    if (answer) {
      const { status, body } = answer;
      response.writeHead(status, { 'cache-control': 'no-store, max-age=0', ...answer.headers });
      response.end(body);
    }
  }
}

/**
 * Fields as they will be served: a copy, for specs use one object for many users. Throws a TypeError for what could not
 * be.
 *
 * @param {object} [fields]
 * @returns {Partial<CurrentUser>}
 */
function served(fields = {}) {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      const json = JSON.stringify(value);
      return [name, json === undefined ? undefined : JSON.parse(json)];
    }),
  );
}

/** @param {string | { id: string }} user */
function idOf(user) {
  return typeof user === 'string' ? user : user.id;
}

/**
 * A typing slip must not make a test of something else.
 *
 * @param {string} what
 * @param {unknown} options
 * @param {string[]} names
 */
function checkNames(what, options, names) {
  const unknown = Object.keys(Object(options)).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new TypeError(`${what} has no option ${unknown}; it has ${names.join(', ')}`);
  }
}

/**
 * A key that got here may be that of a real project, from the environment.
 *
 * @param {IncomingHttpHeaders} headers
 */
function withoutSecrets(headers) {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      /-(server|admin)-key$/.test(name) ? '[redacted]' : value,
    ]),
  );
}

/** @type {typeof import('./testing.js').startStackAuth} */
const startStackAuth = (options) => StackAuthStandIn.start(options);

module.exports = { startStackAuth };
