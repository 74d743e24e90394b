// Keys and tokens as Stack Auth makes them, signed where they are needed: a run needs some hundred thousand.

import { createPrivateKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';

/**
 * @typedef {{ jwk: Record<string, unknown>, kid: string, key: import('node:crypto').KeyObject }} Signer
 * @typedef {{ projectId: string, baseUrl: string }} Project
 */

/** @type {any} of generated keys, for Node 20 can hang where one is exported later: see lib/testing/keys.js */
const encoding = { format: 'jwk' };
export const AS_JWK = { publicKeyEncoding: encoding, privateKeyEncoding: encoding };

/**
 * @param {string} kid
 * @returns {Signer}
 */
export function newSigner(kid) {
  /** @type {any} */
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', ...AS_JWK });
  return {
    kid,
    jwk: { ...publicKey, alg: 'ES256', kid },
    key: createPrivateKey({ key: privateKey, format: 'jwk' }),
  };
}

/**
 * A token that nobody has seen yet.
 *
 * @param {Signer} signer
 * @param {Project} project
 * @param {object} [claims] in place of the usual ones
 */
export function mint({ kid, key }, { projectId, baseUrl }, claims) {
  const now = Math.floor(Date.now() / 1_000);
  const all = {
    sub: randomUUID(),
    project_id: projectId,
    branch_id: 'main',
    refresh_token_id: randomUUID(),
    role: 'authenticated',
    name: 'Ada Lovelace',
    email: 'ada@example.com',
    email_verified: true,
    selected_team_id: null,
    signed_up_at: 1_760_000_000,
    is_anonymous: false,
    is_restricted: false,
    restricted_reason: null,
    requires_totp_mfa: false,
    iss: `${baseUrl}/api/v1/projects/${projectId}`,
    iat: now,
    aud: projectId,
    exp: now + 3_600,
    ...claims,
  };
  const input = `${encode({ alg: 'ES256', kid })}.${encode(all)}`;
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  // In one piece, as a header of a request is: V8 joins texts when somebody first reads them.
  return Buffer.from(`${input}.${signature.toString('base64url')}`).toString('latin1');
}

/** The same with another signature, which nobody made. @param {string} token */
export function forge(token) {
  return `${token.slice(0, -8)}${token.endsWith('AAAAAAAA') ? 'AAAAAAAQ' : 'AAAAAAAA'}`;
}

/** @param {object} content */
function encode(content) {
  return Buffer.from(JSON.stringify(content)).toString('base64url');
}
