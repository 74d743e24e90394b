'use strict';

const { isDate } = require('node:util/types');

const { configError } = require('./errors.js');

/**
 * Options by name, each known to be of its type.
 *
 * @typedef {Record<string, unknown> & { currentDate?: number, signal?: AbortSignal }} Options
 */

/** @type {(value: unknown) => boolean} */
const isStringArray = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');
/** @type {(date: Date) => number} */
const timeOf = (date) => Date.prototype.getTime.call(date);
/** @type {(value: unknown) => boolean} */
const isValidDate = (value) => isDate(value) && !Number.isNaN(timeOf(value));
/** @type {(value: any) => boolean} */
const isSignal = (value) =>
  typeof value?.aborted === 'boolean' &&
  typeof value.addEventListener === 'function' &&
  typeof value.removeEventListener === 'function';
/** @type {(value: any) => boolean} */
const isKeys = (value) =>
  typeof value?.jwks === 'object' && value.jwks !== null && Number.isFinite(value.uat);
/** @type {(type: string) => (value: unknown) => boolean} */
const is = (type) => (value) => typeof value === type;

/**
 * What each option must be, and how it is converted. Values are judged on the native side.
 *
 * @typedef {Record<string, [expected: string, test: (value: unknown) => boolean, make?: (value: any) => unknown]>} Table
 * @type {Table}
 */
const OPTIONS = {
  projectId: ['a string', is('string')],
  secretServerKey: ['a string', is('string')],
  publishableClientKey: ['a string', is('string')],
  accessType: ['a string', is('string')],
  baseUrl: ['a string', is('string')],
  allowInsecureHttp: ['a boolean', is('boolean')],
  issuerBaseUrls: ['an array of strings', isStringArray],
  allowRestricted: ['a boolean', is('boolean')],
  allowAnonymous: ['a boolean', is('boolean')],
  clockTolerance: ['a number (seconds)', is('number')],
  // As a number, for the object may change later.
  currentDate: ['a valid Date', isValidDate, timeOf],
  timeout: ['a number (ms)', is('number')],
  signal: ['an AbortSignal', isSignal],
  cacheMaxAge: ['a number (ms)', is('number')],
  staleIfError: ['a number (ms)', is('number')],
  keys: ['what exportKeys() returned', isKeys, copyOfKeys],
  maxAge: ['a number (ms)', is('number')],
  tokenCacheBytes: ['a number', is('number')],
};

/** @param {string} name */
const publicToo = (name) =>
  ['HEXCLAVE', 'STACK'].flatMap((brand) => [`${brand}_${name}`, `NEXT_PUBLIC_${brand}_${name}`]);

/**
 * The variables that stand in for an option, those that win first.
 *
 * @type {Record<string, string[]>}
 */
const ENVIRONMENT = {
  projectId: publicToo('PROJECT_ID'),
  secretServerKey: ['HEXCLAVE_SECRET_SERVER_KEY', 'STACK_SECRET_SERVER_KEY'],
  publishableClientKey: publicToo('PUBLISHABLE_CLIENT_KEY'),
  baseUrl: publicToo('API_URL'),
};

/**
 * Options of the right types, over defaults. An unknown name is an error: a typo must not switch
 * a check off.
 *
 * @param {Array<[string, unknown]>} given
 * @param {Options} [defaults] in place of the environment
 * @param {Table} [table]
 * @returns {Options}
 */
function readOptions(given, defaults, table = OPTIONS) {
  /** @type {Options} */
  const options = Object.assign(Object.create(null), defaults);
  for (const [name, value] of given) {
    const option = Object.hasOwn(table, name) ? table[name] : undefined;
    if (!option) {
      const known = Object.keys(table).join(', ');
      // What does not look like a name may be a token in the wrong place.
      const found = /^\w{0,40}$/.test(name) ? JSON.stringify(name) : 'whose name is no word';
      throw configError(`unknown option ${found}; known are ${known}`);
    }
    if (value === undefined) {
      continue;
    }
    const [expected, test, make] = option;
    const own = ownCopy(value, test);
    if (own === undefined) {
      throw configError(`${name} must be ${expected}, found ${describe(value)}`);
    }
    options[name] = make ? make(own) : own;
  }
  if (!defaults) {
    for (const option of Object.keys(ENVIRONMENT)) {
      options[option] ??= fromEnvironment(option);
    }
  }
  return options;
}

/**
 * The value if it passes the test. Arrays are copied first, for one can be a proxy, with other items each time.
 *
 * @param {unknown} value
 * @param {(value: unknown) => boolean} test
 */
function ownCopy(value, test) {
  try {
    const own = Array.isArray(value) ? Array.from(value) : value;
    return test(own) ? own : undefined;
  } catch {
    return undefined; // A getter or a proxy.
  }
}

/**
 * As JSON, for the object may change later, as jose's cache does.
 *
 * @param {any} keys
 */
function copyOfKeys(keys) {
  try {
    // Without a prototype, as in `bind`.
    return { __proto__: null, jwks: String(JSON.stringify(keys.jwks)), uat: Number(keys.uat) };
  } catch (cause) {
    throw configError('keys.jwks must be JSON', cause);
  }
}

/**
 * The own members of an options object, each read once. Inherited ones do not count: a polluted
 * prototype must not switch a check off either.
 *
 * @param {unknown} given
 * @returns {Array<[string, unknown]>}
 */
function entriesOf(given) {
  if (given === undefined) {
    return [];
  }
  try {
    if (isObject(given)) {
      const entries = Object.entries(given);
      if (entries.length > 0 || isPlain(given)) {
        return entries;
      }
    }
  } catch (cause) {
    throw configError('options could not be read', cause);
  }
  const found = isObject(given) ? 'another kind of object (a client, a promise?)' : describe(given);
  throw configError(`options must be a plain object, found ${found}`);
}

/**
 * Not a client, a promise, a `Map`, …: without members of its own, it would count as options that are all left out,
 * and the environment would decide. By the length of the chain, for in jest objects are of another realm.
 *
 * @param {unknown} given
 */
function isPlain(given) {
  const prototype = Object.getPrototypeOf(given);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, any>}
 */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The first variable that is set. The others are not looked at: each look into `process.env` takes half a microsecond.
 *
 * @param {string} option
 * @returns {string | undefined}
 */
function fromEnvironment(option) {
  const { env } = process;
  for (const variable of /** @type {string[]} */ (ENVIRONMENT[option])) {
    const value = env[variable];
    if (value) {
      return value;
    }
  }
  return undefined;
}

/**
 * Which variable has the value that an option was refused for: who has set it may never have written the option's name.
 *
 * @param {any} options
 * @param {string} refusal that begins with the option's name
 */
function variableOf(options, refusal) {
  const [option = ''] = refusal.split(' ', 1);
  const variables = Object.hasOwn(ENVIRONMENT, option) ? ENVIRONMENT[option] : undefined;
  const value = options[option];
  return value === undefined ? undefined : variables?.find((name) => process.env[name] === value);
}

/**
 * The type of a value, and never the value: it may be a key in the wrong place.
 *
 * @param {unknown} value
 */
function describe(value) {
  if (value === null) {
    return 'null';
  }
  if (isArray(value)) {
    return 'an array';
  }
  return isDate(value) ? 'a Date' : typeof value;
}

/**
 * @param {unknown} value
 * @returns {value is unknown[]}
 */
function isArray(value) {
  try {
    return Array.isArray(value);
  } catch {
    return false; // A proxy that was revoked.
  }
}

module.exports = {
  ENVIRONMENT,
  OPTIONS,
  describe,
  entriesOf,
  fromEnvironment,
  is,
  isArray,
  isObject,
  isPlain,
  readOptions,
  variableOf,
};
