'use strict';

const { bind } = require('./calls.js');
const { entriesOf, readOptions } = require('./options.js');

/** @import { Bound } from './calls.js' */

/**
 * What the options of the last calls of `verifyJwt` were read as, by their own members. An object that
 * was changed is another one, and one that is equal need not be read again.
 *
 * @type {Array<{ names: string[], values: unknown[], bound: Bound }>}
 */
const recent = [];
const MAX_RECENT = 4;

/**
 * @param {any} options
 * @returns {Bound}
 */
function boundOf(options) {
  if (typeof options === 'object' && options !== null) {
    const known = recall(options);
    if (known) {
      return known;
    }
  }
  const entries = entriesOf(options);
  const bound = bind(readOptions(entries));
  if (isSelfContained(entries)) {
    recent.unshift({
      names: entries.map(([name]) => name),
      values: entries.map(([, value]) => value),
      bound,
    });
    recent.length = Math.min(recent.length, MAX_RECENT);
  }
  return bound;
}

/**
 * @param {any} options
 * @returns {Bound | undefined}
 */
function recall(options) {
  try {
    const own = Object.keys(options);
    return recent.find(
      ({ names, values }) =>
        own.length === names.length &&
        names.every((name, at) => own[at] === name && Object.is(options[name], values[at])),
    )?.bound;
  } catch {
    return undefined; // A getter or a proxy; it is asked again, and the error told.
  }
}

/**
 * Whether the environment has no part in it, nor anything that can change inside.
 *
 * @param {Array<[string, unknown]>} entries
 */
function isSelfContained(entries) {
  const given = (/** @type {string} */ wanted) =>
    entries.some(([name, value]) => name === wanted && value !== undefined);
  const primitive = entries.every(([, value]) => Object(value) !== value);
  return primitive && given('projectId') && given('baseUrl');
}

module.exports = { boundOf };
