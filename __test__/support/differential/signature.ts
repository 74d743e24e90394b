import { createHmac, sign as createSignature } from 'node:crypto';
import { times } from '../cache-issuer.js';
import { base64url, newSigner, type Signer } from '../tokens.js';
import { decode } from './peek.js';
import type { Random } from './random.js';
import { claimsOf, type Mutation, tokenOf, type World, type Worlds } from './world.js';

/** The order of P-256. */
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

function numberOf(bytes: Uint8Array) {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

function pair(r: bigint, s: bigint, size = 32) {
  const digits = [r, s].map((number) => number.toString(16).padStart(2 * size, '0'));
  return Buffer.from(digits.map((text) => text.slice(-2 * size)).join(''), 'hex');
}

export function signatureMutations({ ordinary }: Worlds, { below }: Random): Mutation[] {
  const stranger = newSigner('stranger');
  const mutationsOf = (world: World, jti: number) => {
    const token = tokenOf(world, undefined, { ...claimsOf(world), jti });
    const input = token.slice(0, token.lastIndexOf('.'));
    const { key, jwk } = world.signer;
    const good = decode(token.slice(input.length + 1));
    const [r, s] = [good.subarray(0, 32), good.subarray(32)].map(numberOf) as [bigint, bigint];
    const der = createSignature('sha256', Buffer.from(input), key);
    const by = (signer: Signer, text: string, hash = 'sha256') =>
      createSignature(hash, Buffer.from(text), { key: signer.key, dsaEncoding: 'ieee-p1363' });
    const signatures: Record<string, Uint8Array> = {
      'as it was': good,
      's of the other half': pair(r, N - s),
      'r of the other half': pair(N - r, s),
      'r and s swapped': pair(s, r),
      'no bytes': Buffer.alloc(0),
      'all zeros': Buffer.alloc(64),
      'all ones': Buffer.alloc(64, 0xff),
      'r = 0': pair(0n, s),
      's = 0': pair(r, 0n),
      'r = n': pair(N, s),
      's = n': pair(r, N),
      'r = s = n': pair(N, N),
      'r = s = 1': pair(1n, 1n),
      'r = n - 1': pair(N - 1n, s),
      'r + n': pair(r + N, s),
      's + n': pair(r, s + N),
      '-s': pair(r, 2n ** 256n - s),
      's + n, in 33 bytes each': pair(r, s + N, 33),
      '33 bytes each': pair(r, s, 33),
      '48 bytes each': pair(r, s, 48),
      DER: der,
      'DER, cut to 64 bytes': der.subarray(0, 64),
      'the last byte off': good.subarray(0, 63),
      'the first byte off': good.subarray(1),
      'a byte after': Buffer.concat([good, Buffer.alloc(1)]),
      'a byte before': Buffer.concat([Buffer.alloc(1), good]),
      'r alone': good.subarray(0, 32),
      'twice over': Buffer.concat([good, good]),
      backwards: Buffer.from(good).reverse(),
      'of another text': by(world.signer, `${input}x`),
      'of the payload': by(world.signer, input.split('.')[1]!),
      'with SHA-384': by(world.signer, input, 'sha384'),
      'by a stranger': by(stranger, input),
      'HMAC with the public key': createHmac('sha256', JSON.stringify(jwk)).update(input).digest(),
    };
    const flipped = times(8, (): [string, Uint8Array] => {
      const bytes = Buffer.from(good);
      bytes[below(64)]! ^= 1 << below(8);
      return ['a flipped bit', bytes];
    });
    return [...Object.entries(signatures), ...flipped].map(
      ([what, bytes]): Mutation => [what, world, `${input}.${base64url(bytes)}`],
    );
  };
  return ordinary.flatMap((world) => times(6, (jti) => mutationsOf(world, jti)).flat());
}
