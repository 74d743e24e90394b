'use strict';

const { entriesOf, fromEnvironment, isObject, isPlain, readOptions } = require('./options.js');

/** @import { Bound } from './calls.js' */

/**
 * Options that were read before, except `currentDate` and `signal`.
 *
 * @typedef {object} Read
 * @property {string[]} names of the object's own members
 * @property {unknown[]} values
 * @property {Array<[option: string, value: unknown]>} environment the values from there, of options
 *   that were left out
 * @property {Bound} bound
 */

const MAX_OF_A_PROJECT = 4;
const NONE = Object.freeze({});
/** In `for…in`, V8 optimises calls of this one, and not of `Object.hasOwn`. */
const { hasOwnProperty: hasOwn } = Object.prototype;

/**
 * The options that a function or a client was called with of late. Those with the same members and values need not be
 * read again.
 */
class Recent {
  /** The last few of each project, for a server may have many. @type {Map<unknown, Read[]>} */
  #known = new Map();
  /** Looked at first, for most servers have one project. @type {Read | undefined} */
  #last;
  /** @type {number} */
  #maxProjects;
  /** @type {string[]} */
  #fromEnvironment;
  /** @type {(entries: Array<[string, unknown]>) => Bound} */
  #read;

  /**
   * @param {number} maxProjects
   * @param {string[]} environment the options that come from there if they are left out, and matter
   * @param {(entries: Array<[string, unknown]>) => Bound} read
   */
  constructor(maxProjects, environment, read) {
    this.#maxProjects = maxProjects;
    this.#fromEnvironment = environment;
    this.#read = read;
  }

  /**
   * @param {any} options
   * @returns {Bound}
   */
  boundOf(options = NONE) {
    const recalled = this.#recall(options);
    if (recalled) {
      return recalled;
    }
    const entries = entriesOf(options);
    const ofCall = entries.filter(([name]) => isOfCall(name));
    const lasting = entries.filter(([name]) => !isOfCall(name));
    const bound = this.#read(lasting);
    const ofThisCall = ofCall.length > 0 ? forCall(bound, ofCall) : bound;
    // An object among the values could change unnoticed.
    if (lasting.every(([, value]) => Object(value) !== value)) {
      this.#remember(lasting, bound);
    }
    return ofThisCall;
  }

  /**
   * @param {any} options
   * @returns {Bound | undefined}
   */
  #recall(options) {
    try {
      if (!isObject(options)) {
        return undefined;
      }
      const bound = this.#last && boundIfSame(this.#last, options);
      if (bound) {
        return bound;
      }
      const reads = this.#known.get(options.projectId);
      if (reads) {
        for (const read of reads) {
          const bound = boundIfSame(read, options);
          if (bound) {
            this.#last = read;
            return bound;
          }
        }
      }
    } catch {} // A getter or a proxy threw, or a value is refused; so it will be when the options are read.
    return undefined;
  }

  /**
   * @param {Array<[string, unknown]>} entries
   * @param {Bound} bound
   */
  #remember(entries, bound) {
    const known = this.#known;
    const given = new Map(entries);
    const missing = this.#fromEnvironment.filter((option) => given.get(option) === undefined);
    const project = given.get('projectId');
    const others = known.get(project);
    if (!others && known.size >= this.#maxProjects) {
      known.delete(known.keys().next().value);
    }
    /** @type {Read} */
    const read = {
      names: [...given.keys()],
      values: [...given.values()],
      // As they were read: by now, there may be others.
      environment: missing.map((option) => [option, bound.settings[option]]),
      bound,
    };
    known.set(project, [read, ...(others ?? [])].slice(0, MAX_OF_A_PROJECT));
  }
}

/**
 * Member by member, for arrays of names and values take longer to make than to compare.
 *
 * @param {Read} read
 * @param {any} options
 * @returns {Bound | undefined}
 */
function boundIfSame({ names, values, environment, bound }, options) {
  let at = 0;
  /** @type {Array<[string, unknown]> | undefined} */
  let ofCall;
  for (const name in options) {
    // Inherited members do not count, so options that have some are read again.
    if (!hasOwn.call(options, name)) {
      return undefined;
    }
    if (name === names[at] && options[name] === values[at]) {
      at += 1;
    } else if (isOfCall(name)) {
      ofCall ??= [];
      ofCall.push([name, options[name]]);
    } else {
      return undefined;
    }
  }
  // An object without members may be a client, say, instead of options.
  if (at !== names.length || (at === 0 && !isPlain(options))) {
    return undefined;
  }
  if (!environment.every(([option, value]) => fromEnvironment(option) === value)) {
    return undefined;
  }
  return ofCall ? forCall(bound, ofCall) : bound;
}

/**
 * Whether an option may be another at each call. It makes no difference to the native client.
 *
 * @param {string} name
 */
function isOfCall(name) {
  return name === 'currentDate' || name === 'signal';
}

/**
 * @param {Bound} bound
 * @param {Array<[string, unknown]>} entries
 * @returns {Bound}
 */
function forCall(bound, entries) {
  return { ...bound, ...readOptions(entries, NONE) };
}

module.exports = { Recent };
