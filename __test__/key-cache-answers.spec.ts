import { generateKeyPairSync } from 'node:crypto';

import { describe, expect, test } from 'vitest';
import { verifyJwt } from '../index.js';
import { AS_JWK } from '../stress/tokens.js';
import { answerKeys, failure, startIssuer, statsOf, times } from './support/cache-issuer.js';
import { sendJson } from './support/stand-in.js';

const NO_SET = { code: 'ERR_JWKS_INVALID', status: 503, retryable: true };

describe('a body', () => {
  const KIB = 1024;

  test.each([
    ['of nothing', ''],
    ['in HTML', '<html>Welcome to the hotel</html>'],
    ['of null', 'null'],
    ['of an array', '[]'],
    ['without keys', '{}'],
    ['whose keys are no array', '{"keys":{"0":{}}}'],
    ['that is cut off', '{"keys":['],
    ['of two values', '{"keys":[]}{"keys":[]}'],
    ['of broken UTF-8', Buffer.from('{"keys":["\xff"]}', 'latin1')],
  ])('%s is no key set', async (_what, body) => {
    const issuer = await startIssuer();
    answerKeys(issuer, (_request, response) => response.end(body));
    expect(await failure(verifyJwt(await issuer.mint(), issuer.options))).toMatchObject(NO_SET);
  });

  test('may have 64 keys and no more', async () => {
    const issuer = await startIssuer();
    let count = 64;
    answerKeys(issuer, async (_request, response) => {
      const { keys } = await issuer.keySet();
      sendJson(response, 200, { keys: [...times(count - keys.length, () => ({})), ...keys] });
    });
    const token = await issuer.mint();
    await verifyJwt(token, issuer.options);
    count += 1;
    const options = { ...issuer.options, cacheMaxAge: 0, staleIfError: 0 };
    expect(await failure(verifyJwt(token, options))).toMatchObject(NO_SET);
  });

  test('may have 256 KiB and no more', async () => {
    const issuer = await startIssuer();
    let bytes = 256 * KIB;
    answerKeys(issuer, async (_request, response) =>
      response.end(JSON.stringify(await issuer.keySet()).padEnd(bytes)),
    );
    const token = await issuer.mint();
    await verifyJwt(token, issuer.options);
    bytes += 1;
    const options = { ...issuer.options, cacheMaxAge: 0, staleIfError: 0 };
    expect(await failure(verifyJwt(token, options))).toMatchObject(NO_SET);
  });
});

describe('a key that cannot be used', () => {
  const { publicKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048, ...AS_JWK });
  const { publicKey: p384 } = generateKeyPairSync('ec', { namedCurve: 'P-384', ...AS_JWK });
  const { publicKey: secp256k1 } = generateKeyPairSync('ec', {
    namedCurve: 'secp256k1',
    ...AS_JWK,
  });
  const of32 = (byte: number) => Buffer.alloc(32, byte).toString('base64url');

  test.each<[string, unknown]>([
    ['null', null],
    ['a number', 42],
    ['a string', 'key'],
    ['an array', []],
    ['of no type', { kty: undefined }],
    ['RSA', rsa],
    ['on P-384', p384],
    ['on secp256k1', secp256k1],
    ['on a curve of another name', { crv: 'P-384' }],
    ['symmetric', { kty: 'oct', k: of32(1) }],
    ['off the curve', { x: of32(1), y: of32(1) }],
    ['at infinity', { x: of32(0), y: of32(0) }],
    ['with coordinates beyond the field', { x: of32(255) }],
    ['for encryption', { use: 'enc' }],
    ['for another algorithm', { alg: 'ES384' }],
    ['for no algorithm', { alg: null }],
    ['for signing alone', { key_ops: ['sign'] }],
    ['for signing as well, which WebCrypto takes for no key', { key_ops: ['verify', 'sign'] }],
    ['with key_ops of the wrong type', { key_ops: 'verify' }],
    ['with a coordinate missing', { y: undefined }],
    ['with a coordinate of the wrong type', { x: 7 }],
    ['with an empty coordinate', { x: '' }],
    ['with a coordinate that is no base64url', { x: '!'.repeat(43) }],
    ['with a padded coordinate', { x: `${of32(1)}=` }],
    ['with a coordinate that is too long', { x: Buffer.alloc(33, 1).toString('base64url') }],
    ['with a kid of the wrong type', { kid: 7 }],
    ['that is private', { d: of32(1) }],
  ])('(%s) is stepped over', async (_what, change) => {
    const issuer = await startIssuer();
    const { keys } = await issuer.keySet();
    const isObject = typeof change === 'object' && change && !Array.isArray(change);
    // Under the good one's kid, so that it would be in the way.
    const odd = isObject ? { ...keys[0], ...change } : change;
    answerKeys(issuer, (_request, response) =>
      sendJson(response, 200, { keys: [odd, ...keys, odd] }),
    );
    await verifyJwt(await issuer.mint(), issuer.options);
    expect(statsOf(issuer).kids).toEqual(keys.map(({ kid }) => kid));
  });
});
