'use strict';

// What the caller of a server is told. The texts are fixed: the messages of errors may repeat what the caller sent,
// or name addresses inside the operator's network. They have only characters that RFC 6750 section 3 permits in
// `error_description`.

const REALM = 'realm="stack-auth"';
/** A guess, where nothing better is known. */
const RETRY_AFTER_SECONDS = 5;

/** @type {Record<string, string>} */
const DESCRIPTIONS = {
  ERR_TOKEN_MISSING: 'There is no access token in the request',
  ERR_TOKEN_AMBIGUOUS: 'The request has several access tokens that differ',
  ERR_JWT_EXPIRED: 'The access token expired',
  ERR_JWT_CLAIM_VALIDATION_FAILED: 'A claim of the access token is not as it must be',
  ERR_JWT_INVALID: 'The access token is malformed',
  ERR_JWS_INVALID: 'The access token is malformed',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'The signature of the access token is wrong',
  ERR_JOSE_ALG_NOT_ALLOWED: 'The access token is signed by an algorithm that does not count',
  ERR_JOSE_NOT_SUPPORTED: 'The access token needs an extension that is not supported',
  ERR_JWKS_NO_MATCHING_KEY: 'The access token is signed by an unknown key',
  ERR_USER_TYPE_NOT_ALLOWED: 'Users of this type may not call',
  ERR_USER_UNAUTHENTICATED: 'The user of the access token is not signed in',
};

/**
 * What the caller did wrong; `undefined` if another is at fault.
 *
 * @param {{ code: string }} error
 * @returns {string | undefined}
 */
function describeToCaller({ code }) {
  return DESCRIPTIONS[code];
}

/**
 * @param {{ code: string, status: number }} error
 * @param {number} [retryAfter] seconds
 * @returns {Record<string, string>}
 */
function responseHeaders(error, retryAfter = RETRY_AFTER_SECONDS) {
  if (error.status === 503) {
    return { 'Retry-After': String(retryAfter) };
  }
  const description = describeToCaller(error);
  if (!description) {
    return {};
  }
  // Without a token in the request, there is no error code (RFC 6750 section 3.1).
  const parameters =
    error.code === 'ERR_TOKEN_MISSING'
      ? [REALM]
      : [REALM, `error="${ERRORS[error.status]}"`, `error_description="${description}"`];
  return { 'WWW-Authenticate': `Bearer ${parameters.join(', ')}` };
}

/**
 * RFC 6750 section 3.1.
 *
 * @type {Record<number, string>}
 */
const ERRORS = { 400: 'invalid_request', 401: 'invalid_token', 403: 'insufficient_scope' };

module.exports = { describeToCaller, responseHeaders };
