// Tokens as Stack Auth makes them, and the key set to verify them by.

import { createPublicKey } from 'node:crypto';

import { mint as mintBy, newSigner } from '../stress/tokens.js';

const signer = newSigner('aqdP1Df4Gg5i');

export const jwks = { keys: [signer.jwk] };
export const pem = String(createPublicKey(signer.key).export({ type: 'spki', format: 'pem' }));

/** @param {{ projectId: string, baseUrl: string }} project */
export function mint(project) {
  return mintBy(signer, project);
}

/** @param {string} token */
export function payloadOf(token) {
  return JSON.parse(String(Buffer.from(token.split('.')[1], 'base64url')));
}

/**
 * The token as a request brings it: a string of its own, which V8 has not hashed yet.
 *
 * @param {Buffer} bytes
 */
export function received(bytes) {
  return bytes.latin1Slice();
}
