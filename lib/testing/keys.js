'use strict';

const {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
} = require('node:crypto');

/**
 * @import { KeyObject } from 'node:crypto'
 * @typedef {{ kid: string, publicKey: KeyObject, privateKey: KeyObject }} Pair
 */

/** The keys of a project: two for each audience, and two more after a rotation. */
class Keys {
  #audiences;
  /** The newest first; its first key signs. @type {Array<Map<string, Pair[]>>} */
  #generations = [];

  /** @param {string[]} audiences */
  constructor(audiences) {
    this.#audiences = audiences;
    this.rotate(true);
  }

  /** @param {boolean} withdraw whether the old keys go at once */
  rotate(withdraw) {
    const next = new Map(this.#audiences.map((audience) => [audience, [newPair(), newPair()]]));
    this.#generations = [next, ...(withdraw ? [] : this.#generations.slice(0, 1))];
  }

  /** @param {string[]} audiences */
  jwks(audiences) {
    const pairs = audiences.flatMap((audience) => this.#pairsOf(audience));
    return { keys: pairs.map(({ kid, publicKey }) => jwkOf(publicKey, kid)) };
  }

  /**
   * @param {string} audience
   * @param {object} claims
   */
  sign(audience, claims) {
    const { kid, privateKey: key } = /** @type {Pair} */ (this.#pairsOf(audience)[0]);
    const input = `${encode({ alg: 'ES256', kid })}.${encode(claims)}`;
    const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
    return `${input}.${signature.toString('base64url')}`;
  }

  /**
   * The claims of a token that was signed with a key that still counts.
   *
   * @param {string} token
   * @returns {Record<string, any> | undefined}
   */
  open(token) {
    const [header, payload, signature, more] = token.split('.');
    const { kid } = decode(header) ?? {};
    const claims = decode(payload);
    const pair = this.#pairsOf(claims?.aud).find((candidate) => candidate.kid === kid);
    if (!pair || signature === undefined || more !== undefined) {
      return undefined;
    }
    const { publicKey: key } = pair;
    const input = Buffer.from(`${header}.${payload}`);
    const bytes = Buffer.from(signature, 'base64url');
    return verify('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, bytes) ? claims : undefined;
  }

  /** @param {string} audience */
  #pairsOf(audience) {
    return this.#generations.flatMap((generation) => generation.get(audience) ?? []);
  }
}

/**
 * By way of a JWK: Node 20 can hang for ever where a key is exported that it generated itself, if the garbage
 * collector then drops the job that did so.
 *
 * @returns {Pair}
 */
function newPair() {
  const kid = randomBytes(9).toString('base64url');
  const encoding = /** @type {any} */ ({ format: 'jwk' });
  const encodings = { publicKeyEncoding: encoding, privateKeyEncoding: encoding };
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', ...encodings });
  const jwk = { key: /** @type {any} */ (privateKey), format: /** @type {const} */ ('jwk') };
  return { kid, publicKey: createPublicKey(jwk), privateKey: createPrivateKey(jwk) };
}

/**
 * As Stack Auth publishes it: one coordinate in 256 begins with a zero byte, which it leaves out.
 *
 * @param {KeyObject} publicKey
 * @param {string} kid
 */
function jwkOf(publicKey, kid) {
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
  return { kty, crv, alg: 'ES256', kid, x: shortened(x), y: shortened(y) };
}

/** @param {string | undefined} coordinate */
function shortened(coordinate = '') {
  const bytes = Buffer.from(coordinate, 'base64url');
  return bytes.subarray(bytes.findIndex((byte) => byte !== 0)).toString('base64url');
}

/** @param {object} content */
function encode(content) {
  return Buffer.from(JSON.stringify(content)).toString('base64url');
}

/**
 * @param {string | undefined} part
 * @returns {any}
 */
function decode(part = '') {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString());
  } catch {
    return undefined;
  }
}

module.exports = { Keys, jwkOf };
