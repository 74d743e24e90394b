'use strict';

const { bind } = require('./calls.js');
const { entriesOf, fromEnvironment, isObject, isPlain, readOptions } = require('./options.js');

/** @import { Bound } from './calls.js' */

/**
 * Options of `verifyJwt` that were read before. Options with the same members and values need not be read again.
 *
 * @typedef {object} Read
 * @property {string[]} names of the object's own members
 * @property {unknown[]} values
 * @property {Array<[option: string, value: string | undefined]>} environment the values from there, of options
 *   that were left out
 * @property {Bound} bound
 */

/** The last few of each project, for a server may have many. @type {Map<unknown, Read[]>} */
const known = new Map();
const MAX_PROJECTS = 4_096;
const MAX_OF_A_PROJECT = 4;
/** Looked at first, for most servers have one project. @type {Read | undefined} */
let last;
const NONE = Object.freeze({});
/** In `for…in`, V8 optimises calls of this one, and not of `Object.hasOwn`. */
const { hasOwnProperty: hasOwn } = Object.prototype;

/**
 * @param {any} options
 * @returns {Bound}
 */
function boundOf(options = NONE) {
  const recalled = recall(options);
  if (recalled) {
    return recalled;
  }
  const entries = entriesOf(options);
  const bound = bind(readOptions(entries));
  // An object among the values could change unnoticed.
  if (entries.every(([, value]) => Object(value) !== value)) {
    remember(entries, bound);
  }
  return bound;
}

/**
 * @param {any} options
 * @returns {Bound | undefined}
 */
function recall(options) {
  try {
    if (!isObject(options)) {
      return undefined;
    }
    // A getter may verify a token as well, and so change `last` meanwhile.
    const latest = last;
    if (latest && isSame(latest, options)) {
      return latest.bound;
    }
    const reads = known.get(options.projectId);
    if (reads) {
      for (const read of reads) {
        if (isSame(read, options)) {
          last = read;
          return read.bound;
        }
      }
    }
  } catch {} // A getter or a proxy threw; so it will when the options are read, and is reported then.
  return undefined;
}

/**
 * Member by member, for arrays of names and values take longer to make than to compare.
 *
 * @param {Read} read
 * @param {any} options
 */
function isSame(read, options) {
  const { names, values } = read;
  let at = 0;
  for (const name in options) {
    // Inherited members do not count, so options that have some are read again.
    if (!hasOwn.call(options, name) || name !== names[at] || options[name] !== values[at]) {
      return false;
    }
    at += 1;
  }
  // An object without members may be a client, say, instead of options.
  if (at !== names.length || (at === 0 && !isPlain(options))) {
    return false;
  }
  return read.environment.every(([option, value]) => fromEnvironment(option) === value);
}

/**
 * @param {Array<[string, unknown]>} entries
 * @param {Bound} bound
 */
function remember(entries, bound) {
  const given = new Map(entries);
  // No other option of a verification comes from the environment.
  const missing = ['projectId', 'baseUrl'].filter((option) => given.get(option) === undefined);
  const project = given.get('projectId');
  const others = known.get(project) ?? [];
  if (others.length === 0 && known.size >= MAX_PROJECTS) {
    known.delete(known.keys().next().value);
  }
  /** @type {Read} */
  const read = {
    names: [...given.keys()],
    values: [...given.values()],
    environment: missing.map((option) => [option, fromEnvironment(option)]),
    bound,
  };
  known.set(project, [read, ...others].slice(0, MAX_OF_A_PROJECT));
}

module.exports = { boundOf };
