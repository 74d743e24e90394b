'use strict';

/**
 * What callers are told of a good token.
 *
 * @typedef {{ payload: any, protectedHeader: any }} Verified
 */

/**
 * Of the usual members, the native side hands over the values alone: V8 takes longer for names than for values.
 *
 * @param {any} parsed its JSON
 * @returns {Verified}
 */
function verifiedOf(parsed) {
  return Array.isArray(parsed) ? usual(parsed) : parsed;
}

/**
 * With the members that Stack Auth's tokens have, in their order, as in src/payload.rs.
 *
 * @param {any[]} values
 */
function usual(values) {
  return {
    payload: {
      sub: values[0],
      project_id: values[1],
      branch_id: values[2],
      refresh_token_id: values[3],
      role: values[4],
      name: values[5],
      email: values[6],
      email_verified: values[7],
      selected_team_id: values[8],
      signed_up_at: values[9],
      is_anonymous: values[10],
      is_restricted: values[11],
      restricted_reason: values[12],
      requires_totp_mfa: values[13],
      iss: values[14],
      iat: values[15],
      aud: values[16],
      exp: values[17],
    },
    protectedHeader: { alg: values[18], kid: values[19] },
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

const USUAL = Object.keys(usual([]).payload);

/** @param {object} payload */
function copyAny(payload) {
  return { ...payload };
}

/**
 * V8 knows these members, and so need not look at their values in memory, which it does for `...`.
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

module.exports = { copierOf, verifiedOf };
