'use strict';

const { answerHeaders, describeToCaller } = require('./challenge.js');
const { configError } = require('./errors.js');

/**
 * @import { AuthResponse, JsonResponse } from '../express.js'
 * @import { StackAuth as Client } from '../index.js'
 */

/**
 * An error of the middleware, with the headers that its answer should have.
 *
 * @param {any} error
 * @param {Client} client
 * @param {AuthResponse} response
 * @param {(error: unknown) => void} next
 */
function passOn(error, client, response, next) {
  try {
    if (isStackAuthError(error)) {
      tellWhenToRetry(error, client);
      setHeaders(response, error);
    }
  } catch {} // A client of another make; the request must go on all the same.
  next(error);
}

/**
 * A middleware before this one has refused the request, and this one may do so for another reason, or not at all: in an
 * outage, nobody is to be told that a token is invalid. What somebody else has set since stays.
 *
 * @param {any} error
 * @param {AuthResponse} response
 */
function takeBack(error, response) {
  try {
    if (isStackAuthError(error) && !response.headersSent) {
      for (const [name, value] of Object.entries(error.headers)) {
        if (response.getHeader?.(name) === value) {
          response.removeHeader?.(name);
        }
      }
    }
  } catch {} // A response of another make; the request must go on all the same.
}

/**
 * See express.d.ts. Of four parameters, so that Express calls it with an error where it was put in the place of what
 * it makes.
 *
 * @param {unknown} [_error]
 * @param {unknown} [_request]
 * @param {unknown} [_response]
 * @param {unknown} [next]
 */
function authErrorHandler(_error, _request, _response, next) {
  refuseRequest('authErrorHandler', next);
  /**
   * @param {any} error
   * @param {unknown} _request
   * @param {JsonResponse} response
   * @param {(error?: unknown) => void} next
   */
  return function answerAuthError(error, _request, response, next) {
    if (!isStackAuthError(error) || response.headersSent) {
      next(error);
      return;
    }
    if (error.status >= 500) {
      console.error(error); // Not the caller's to know, and the operator's to see.
    }
    setHeaders(response, error);
    const message = describeToCaller(error);
    response.status(error.status).json({ error: error.code, ...(message && { message }) });
  };
}

/**
 * What makes a middleware was put in the place of one, and Express has called it with a request.
 *
 * @param {string} maker
 * @param {unknown} next
 */
function refuseRequest(maker, next) {
  if (typeof next === 'function') {
    throw configError(`${maker} makes a middleware: write ${maker}() in place of ${maker}`);
  }
}

/**
 * Another copy of this package has a class of its own.
 *
 * @param {any} error
 */
function isStackAuthError(error) {
  return error instanceof Error && error.name === 'StackAuthError';
}

/**
 * When keys are fetched next is known, so nobody need guess.
 *
 * @param {any} error
 * @param {Client} client
 */
function tellWhenToRetry(error, client) {
  if (error.status !== 503 || !error.code.startsWith('ERR_JWKS')) {
    return;
  }
  const nextAttemptIn = client.stats()?.keys?.nextAttemptIn;
  if (nextAttemptIn !== undefined) {
    const value = answerHeaders(error, Math.max(1, Math.ceil(nextAttemptIn / 1_000)));
    Object.defineProperty(error, 'headers', { value, configurable: true, writable: true });
  }
}

/**
 * @param {AuthResponse} response
 * @param {{ headers?: Record<string, string> }} error
 */
function setHeaders(response, { headers = {} }) {
  if (!response.headersSent) {
    for (const [name, value] of Object.entries(headers)) {
      response.setHeader(name, value);
    }
  }
}

module.exports = { authErrorHandler, passOn, refuseRequest, takeBack };
