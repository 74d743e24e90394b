'use strict';

/**
 * What `verifyJwt` returns for a good token.
 *
 * @typedef {{ payload: any, protectedHeader: any }} Verified
 */

/** Taken at load time, for a server may replace it. */
const { isArray } = Array;

/**
 * @param {string} json as in src/payload.rs
 * @returns {Verified}
 */
function parseVerified(json) {
  return verifiedOf(JSON.parse(json));
}

/**
 * The native side leaves out the names of the usual members of the header, and of the payload if it has no others,
 * for V8 takes longer for names than for values.
 *
 * @param {any} parsed the same, parsed
 * @returns {Verified}
 */
function verifiedOf(parsed) {
  if (!isArray(parsed)) {
    return parsed;
  }
  const payload = parsed.length === 3 ? parsed[2] : usual(parsed);
  return { payload, protectedHeader: { alg: parsed[0], kid: parsed[1] } };
}

/**
 * With the members that Stack Auth's tokens have, in their order: as in `copyUsual`, and in src/claims.rs.
 *
 * @param {any[]} values
 */
function usual(values) {
  return {
    sub: values[2],
    project_id: values[3],
    branch_id: values[4],
    refresh_token_id: values[5],
    role: values[6],
    name: values[7],
    email: values[8],
    email_verified: values[9],
    selected_team_id: values[10],
    signed_up_at: values[11],
    is_anonymous: values[12],
    is_restricted: values[13],
    restricted_reason: values[14],
    requires_totp_mfa: values[15],
    iss: values[16],
    iat: values[17],
    aud: values[18],
    exp: values[19],
  };
}

/**
 * A function that copies such a payload.
 *
 * @param {object} payload
 * @returns {(payload: any) => object}
 */
function copierOf(payload) {
  const names = Object.keys(payload);
  const all = names.length === USUAL.length && names.every((name, at) => name === USUAL[at]);
  return all ? copyUsual : copyAny;
}

const USUAL = Object.keys(usual([]));

/** @param {object} payload */
function copyAny(payload) {
  return { ...payload };
}

/**
 * The same members as in `usual`. V8 knows them, and so need not look at their values in memory, which it does for
 * `...`.
 *
 * @param {any} payload
 */
function copyUsual(payload) {
  return {
    sub: payload.sub,
    project_id: payload.project_id,
    branch_id: payload.branch_id,
    refresh_token_id: payload.refresh_token_id,
    role: payload.role,
    name: payload.name,
    email: payload.email,
    email_verified: payload.email_verified,
    selected_team_id: payload.selected_team_id,
    signed_up_at: payload.signed_up_at,
    is_anonymous: payload.is_anonymous,
    is_restricted: payload.is_restricted,
    restricted_reason: payload.restricted_reason,
    requires_totp_mfa: payload.requires_totp_mfa,
    iss: payload.iss,
    iat: payload.iat,
    aud: payload.aud,
    exp: payload.exp,
  };
}

module.exports = { copierOf, parseVerified, verifiedOf };
