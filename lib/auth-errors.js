'use strict';

const { describeToCaller } = require('./challenge.js');
const { configError } = require('./errors.js');

/** @import { AuthResponse, JsonResponse } from '../express.js' */

/**
 * An error of the middleware, with the headers that its answer should have.
 *
 * @param {any} error
 * @param {AuthResponse} response
 * @param {(error: unknown) => void} next
 */
function passOn(error, response, next) {
  try {
    if (isStackAuthError(error)) {
      setHeaders(response, error);
    }
  } catch {} // A response of another make; the request must go on all the same.
  next(error);
}

/**
 * Removes the headers that an earlier middleware has set for its error: this one may refuse the request for another
 * reason, or accept it. In an outage, say, a `WWW-Authenticate` must not call the token invalid. What somebody else has
 * set since stays.
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
 * See express.d.ts. With four parameters, so that Express calls it with an error where it was passed in place of
 * `authErrorHandler()`.
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
      console.error(error); // For the operator, not for the caller.
    }
    setHeaders(response, error);
    const message = describeToCaller(error);
    response.status(error.status).json({ error: error.code, ...(message && { message }) });
  };
}

/**
 * `requireUser` was passed to Express in place of `requireUser()`, say, and so is called with a request.
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
 * By name, for another copy of this package has another class.
 *
 * @param {any} error
 */
function isStackAuthError(error) {
  return error instanceof Error && error.name === 'StackAuthError';
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
