'use strict';

const { responseHeaders } = require('./challenge.js');

/** @import { Failure } from '../binding' */

/** See index.d.ts. */
class StackAuthError extends Error {
  /**
   * @param {Failure} failure
   * @param {{ stack?: string | undefined }} [site] where the call was made, if it no longer is on the stack
   */
  constructor(failure, site) {
    // Without a prototype, for a polluted one may have members of these names.
    const { message, details, cause, retryAfter, ...members } = Object.assign(
      Object.create(null),
      failure,
    );
    super(message, cause === undefined ? undefined : { cause: stackless(cause) });
    Object.assign(this, members);
    if (details !== undefined) {
      this.details = JSON.parse(details);
    }
    if (retryAfter !== undefined) {
      const value = responseHeaders(/** @type {any} */ (this), retryAfter);
      Object.defineProperty(this, 'headers', { value, configurable: true, writable: true });
    }
    if (site) {
      useStackOf(this, site);
    }
  }

  get headers() {
    return responseHeaders(/** @type {any} */ (this));
  }
}
define(StackAuthError, 'StackAuthError');

/** What an aborted call rejects with, as the functions of Node do. */
class AbortError extends Error {
  /**
   * @param {AbortSignal} signal
   * @param {{ stack?: string | undefined }} [site] as above
   */
  constructor({ reason }, site) {
    super('The operation was aborted', { cause: reason });
    this.code = 'ABORT_ERR';
    // Frameworks answer with it. The caller is not at fault, and a server that shuts down aborts its calls.
    this.status = 503;
    if (site) {
      useStackOf(this, site);
    }
  }
}
define(AbortError, 'AbortError');

/**
 * An error of the native side, which has no stack in JavaScript.
 *
 * @param {string} message
 */
function stackless(message) {
  const error = new Error(message);
  error.stack = `Error: ${message}`;
  return error;
}

/**
 * On the prototype, as for built-in errors, so that `name` is not printed as a member.
 *
 * @param {Function} errorClass
 * @param {string} name
 */
function define(errorClass, name) {
  Object.defineProperty(errorClass.prototype, 'name', {
    value: name,
    configurable: true,
    writable: true,
  });
}

/**
 * Gives an error the stack of another call site.
 *
 * @param {Error} error
 * @param {{ stack?: string | undefined }} site
 */
function useStackOf(error, site) {
  const frames = stackOf(site).split('\n').slice(1);
  error.stack = [`${error.name}: ${error.message}`, ...frames].join('\n');
}

/**
 * A user's `Error.prepareStackTrace` may throw, or return anything.
 *
 * @param {{ stack?: string | undefined }} site
 */
function stackOf(site) {
  try {
    return typeof site.stack === 'string' ? site.stack : '';
  } catch {
    return '';
  }
}

/**
 * @param {import('../index.js').OperatorErrorCode} code
 * @param {string} message
 * @param {unknown} [cause]
 */
function operatorError(code, message, cause) {
  const error = new StackAuthError({ code, message, status: 500, retryable: false });
  if (cause !== undefined) {
    Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true });
  }
  return error;
}

/**
 * @param {string} message
 * @param {unknown} [cause]
 */
function configError(message, cause) {
  return operatorError('ERR_CONFIG', message, cause);
}

/**
 * @param {'ERR_TOKEN_MISSING' | 'ERR_TOKEN_AMBIGUOUS' | 'ERR_JWS_INVALID'} code
 * @param {400 | 401} status
 * @param {string} message
 */
function callerError(code, status, message) {
  return new StackAuthError({ code, message, status, retryable: false });
}

module.exports = {
  AbortError,
  StackAuthError,
  callerError,
  configError,
  operatorError,
};
