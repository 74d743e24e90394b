'use strict';

const { bind } = require('./calls.js');
const { entriesOf, fromEnvironment, isObject, isPlain, readOptions } = require('./options.js');

/** @import { Bound } from './calls.js' */

/**
 * What the options of a call of `verifyJwt` were read as. An object that was changed is another one, and
 * one that is equal need not be read again.
 *
 * @typedef {object} Read
 * @property {string[]} names of the object's own members
 * @property {unknown[]} values
 * @property {Array<[option: string, value: string | undefined]>} environment what stood in for options
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
/** In `for…in`, V8 knows the answer of this one, and not that of `Object.hasOwn`. */
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
  // What has members of its own can change inside.
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
    // Getters may verify as well, and set another `last` meanwhile.
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
    // Inherited ones do not count, so options with such are read again.
    if (!hasOwn.call(options, name) || name !== names[at] || options[name] !== values[at]) {
      return false;
    }
    at += 1;
  }
  // One without members may be a client, say, which is no options.
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
  // Nothing else of the environment has a part in a verification.
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
