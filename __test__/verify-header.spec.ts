import { describe, expect, test } from 'vitest';
import { verifyJwt } from '../index.js';
import { newSigner, refusal, type Signer, serve, sign } from './support/tokens.js';
import { at, claimsOf, NOW, start } from './support/verify.js';

describe('a header', () => {
  const alg = 'ES256';

  /** A stand-in with these keys, and what it takes to ask about a token of theirs. */
  async function publish(...keys: unknown[]) {
    const standIn = await start();
    serve(standIn, keys);
    const options = { ...standIn.options, currentDate: at(NOW) };
    const token = (header: object, signer: Signer) => sign(header, claimsOf(standIn), signer);
    return { standIn, options, token };
  }

  test('without a kid is accepted if the set has exactly one key', async () => {
    const signer = newSigner('k');
    const { options, token } = await publish(signer.jwk);
    const { protectedHeader } = await verifyJwt(token({ alg }, signer), options);
    expect(protectedHeader).toStrictEqual({ alg });
  });

  test('without a kid is accepted if the set has exactly one key that can be used', async () => {
    const signer = newSigner('k');
    const { options, token } = await publish(
      { kty: 'RSA', kid: 'r', n: 'AQAB', e: 'AQAB' },
      { ...newSigner('e').jwk, use: 'enc' },
      signer.jwk,
    );
    await verifyJwt(token({ alg }, signer), options);
  });

  test('without a kid is refused if the set has two keys, and if it has none', async () => {
    const signer = newSigner('k');
    for (const keys of [[signer.jwk, newSigner('other').jwk], []]) {
      const { options, token } = await publish(...keys);
      const error = await refusal(token({ alg }, signer), options);
      expect(error.code).toBe('ERR_JWKS_NO_MATCHING_KEY');
    }
  });

  test.each([[1], [null], [true], [['k']], [{ k: 'k' }]])(
    'with the kid %j, which is no string, is refused even if the set has one key',
    async (kid) => {
      const signer = newSigner('k');
      const { options, token } = await publish(signer.jwk);
      const error = await refusal(token({ alg, kid }, signer), options);
      expect(error.code).toBe('ERR_JWKS_NO_MATCHING_KEY');
    },
  );

  test('with a kid of another key is refused', async () => {
    const signer = newSigner('k');
    const { options, token } = await publish(signer.jwk, newSigner('other').jwk);
    const error = await refusal(token({ alg, kid: 'other' }, signer), options);
    expect(error.code).toBe('ERR_JWS_SIGNATURE_VERIFICATION_FAILED');
  });

  test('with a kid that two keys have is tried with both', async () => {
    const [first, second, third] = ['k', 'k', 'k'].map(newSigner) as [Signer, Signer, Signer];
    const { options, token } = await publish(first.jwk, second.jwk);
    await verifyJwt(token({ alg, kid: 'k' }, first), options);
    await verifyJwt(token({ alg, kid: 'k' }, second), options);
    const error = await refusal(token({ alg, kid: 'k' }, third), options);
    expect(error.code).toBe('ERR_JWS_SIGNATURE_VERIFICATION_FAILED');
  });

  test('cannot name a key of its own, by jwk, jku, x5u or otherwise', async () => {
    const signer = newSigner('k');
    const attacker = newSigner('k');
    const { standIn, options, token } = await publish(signer.jwk);
    const lure = `${standIn.url}/lure/jwks.json`;
    for (const more of [
      { jwk: attacker.jwk },
      { jku: lure },
      { x5u: lure },
      { x5c: ['AA=='], x5t: 'AA' },
      { jwk: attacker.jwk, jku: lure, x5u: lure, b64: false },
    ]) {
      for (const kid of [{ kid: 'k' }, {}]) {
        const error = await refusal(token({ alg, ...kid, ...more }, attacker), options);
        expect(error.code).toBe('ERR_JWS_SIGNATURE_VERIFICATION_FAILED');
        const header = { alg, ...kid, ...more };
        const { protectedHeader } = await verifyJwt(token(header, signer), options);
        expect(protectedHeader).toStrictEqual(header);
      }
    }
    expect(standIn.count('/lure/')).toBe(0);
  });

  test.each([[true], [false], ['no'], [null]])('with b64: %j means nothing by it', async (b64) => {
    const signer = newSigner('k');
    const { standIn, options, token } = await publish(signer.jwk);
    const { payload } = await verifyJwt(token({ alg, kid: 'k', b64 }, signer), options);
    expect(payload).toStrictEqual(claimsOf(standIn));
  });

  test('with crit is refused, whatever is in it', async () => {
    const signer = newSigner('k');
    const { options, token } = await publish(signer.jwk);
    for (const [crit, code] of [
      [['b64'], 'ERR_JOSE_NOT_SUPPORTED'],
      [['exp'], 'ERR_JOSE_NOT_SUPPORTED'],
      [[], 'ERR_JWS_INVALID'],
      [null, 'ERR_JWS_INVALID'],
      ['b64', 'ERR_JWS_INVALID'],
    ] as const) {
      const error = await refusal(token({ alg, kid: 'k', b64: true, crit }, signer), options);
      expect(error.code).toBe(code);
    }
  });
});
