// Tokens as Stack Auth makes them, and the key set to verify them by. Signed by `node:crypto`, for a
// benchmark needs some hundred thousand of them.

import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';

const KID = 'aqdP1Df4Gg5i';
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

export const pem = String(publicKey.export({ type: 'spki', format: 'pem' }));
export const jwks = {
  keys: [{ ...publicKey.export({ format: 'jwk' }), alg: 'ES256', kid: KID }],
};

const header = encode({ alg: 'ES256', kid: KID });

/** @param {{ projectId: string, issuer: string }} project */
export function mint({ projectId, issuer }) {
  const now = Math.floor(Date.now() / 1_000);
  const input = `${header}.${encode({
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
    iss: issuer,
    iat: now,
    aud: projectId,
    exp: now + 600,
  })}`;
  const signature = sign('sha256', Buffer.from(input), {
    key: privateKey,
    dsaEncoding: 'ieee-p1363',
  });
  // In one piece, as a header of a request is: V8 joins texts when somebody first reads them.
  return Buffer.from(`${input}.${signature.toString('base64url')}`).toString('latin1');
}

/** @param {object} content */
function encode(content) {
  return Buffer.from(JSON.stringify(content)).toString('base64url');
}
