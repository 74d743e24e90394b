import assert from 'node:assert/strict';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type VerifyJwtOptions, verifyJwt } from '../index.js';
import { StandIn } from './support/stand-in.js';
import { newSigner, refusal, serve, sign } from './support/tokens.js';
import { at, claimsOf, ELSEWHERE, NOW, start } from './support/verify.js';

describe('claims', () => {
  let standIn: StandIn;
  const signer = newSigner('k');

  beforeAll(async () => {
    standIn = await StandIn.start();
    standIn.projectId = 'verify-spec-of-claims';
    serve(standIn, [signer.jwk]);
  });
  afterAll(() => standIn.close());

  function tokenOf(changes: object) {
    return sign({ alg: 'ES256', kid: 'k' }, claimsOf(standIn, changes), signer);
  }

  function accepts(changes: object, options: VerifyJwtOptions = {}) {
    const defaults = { ...standIn.options, currentDate: at(NOW) };
    return verifyJwt(tokenOf(changes), { ...defaults, ...options });
  }

  async function refuses(
    changes: object,
    claim: string,
    reason: string,
    options: VerifyJwtOptions = {},
  ) {
    const defaults = { ...standIn.options, currentDate: at(NOW) };
    const expired = claim === 'exp' && reason === 'check_failed';
    const code = expired ? 'ERR_JWT_EXPIRED' : 'ERR_JWT_CLAIM_VALIDATION_FAILED';
    expect(await refusal(tokenOf(changes), { ...defaults, ...options })).toMatchObject({
      code,
      claim,
      reason,
      status: 401,
      retryable: false,
    });
  }

  test.each(['iss', 'aud', 'sub', 'exp'])('must have %s', async (claim) => {
    await refuses({ [claim]: undefined }, claim, 'missing');
  });

  test.each(['nbf', 'iat', 'is_anonymous', 'is_restricted'])('can lack %s', async (claim) => {
    await accepts({ [claim]: undefined });
  });

  const values: unknown[] = [null, true, 7, 'x', [], ['x'], {}, { toString: 'x' }];
  const typed = [
    ['iss', 'check_failed', values],
    ['aud', 'check_failed', values],
    ['sub', 'check_failed', values.filter((value) => typeof value !== 'string')],
    ['exp', 'invalid', values.filter((value) => typeof value !== 'number').concat(`${NOW + 60}`)],
    ['nbf', 'invalid', values.filter((value) => typeof value !== 'number').concat(`${NOW}`)],
    ['iat', 'invalid', values.filter((value) => typeof value !== 'number').concat(`${NOW}`)],
    ['is_anonymous', 'check_failed', [...values, 'false', 0]],
    ['is_restricted', 'check_failed', [...values, 'false', 0]],
  ] as const;
  test.each(
    typed.flatMap(([claim, reason, values]) => values.map((value) => ({ claim, reason, value }))),
  )('cannot have $value as $claim', async ({ claim, reason, value }) => {
    await refuses({ [claim]: value }, claim, reason);
  });

  test('are looked at only in a payload that is a JSON object', async () => {
    const options = { ...standIn.options, currentDate: at(NOW) };
    for (const payload of ['', 'null', '[]', '"x"', '7', '{', '{} x', '\ufeff\ufeff{}']) {
      const token = sign({ alg: 'ES256', kid: 'k' }, payload, signer);
      expect((await refusal(token, options)).code).toBe('ERR_JWT_INVALID');
    }
  });

  test('are believed by nobody before the signature is good', async () => {
    const options = { ...standIn.options, currentDate: at(NOW) };
    for (const changes of [{}, { exp: 0 }, { iss: ELSEWHERE }, { aud: 7 }, { sub: undefined }]) {
      const token = sign({ alg: 'ES256', kid: 'k' }, claimsOf(standIn, changes), newSigner('k'));
      const error = await refusal(token, options);
      expect(error.code).toBe('ERR_JWS_SIGNATURE_VERIFICATION_FAILED');
      expect(error.claim).toBeUndefined();
    }
  });

  test('expire at exp, not after it', async () => {
    await accepts({ exp: NOW + 1 });
    await accepts({ exp: NOW + 0.5 });
    await refuses({ exp: NOW }, 'exp', 'check_failed');
    await refuses({ exp: NOW - 1 }, 'exp', 'check_failed');
    await refuses({ exp: 0 }, 'exp', 'check_failed');
  });

  test('begin at nbf', async () => {
    await accepts({ nbf: NOW });
    await refuses({ nbf: NOW + 0.5 }, 'nbf', 'check_failed');
    await refuses({ nbf: NOW + 1 }, 'nbf', 'check_failed');
  });

  test('can be from the future by iat, which only has to be a number', async () => {
    await accepts({ iat: NOW + 3_600 });
  });

  test('are given clockTolerance, on both ends', async () => {
    const tolerant = { clockTolerance: 5 };
    await accepts({ exp: NOW - 4 }, tolerant);
    await accepts({ nbf: NOW + 5 }, tolerant);
    await refuses({ exp: NOW - 5 }, 'exp', 'check_failed', tolerant);
    await refuses({ nbf: NOW + 6 }, 'nbf', 'check_failed', tolerant);
  });

  test('are judged by currentDate, in whole seconds', async () => {
    await accepts({}, { currentDate: new Date((NOW + 60) * 1_000 - 1) });
    await refuses({}, 'exp', 'check_failed', { currentDate: at(NOW + 60) });
    const later = { currentDate: at(NOW + 0.75) };
    await accepts({ exp: NOW + 0.5 }, later);
    await refuses({ nbf: NOW + 0.5 }, 'nbf', 'check_failed', later);
    await accepts({ exp: -1 }, { currentDate: at(-2) });
  });

  test('are judged by the clock otherwise', async () => {
    const standIn = await start();
    await verifyJwt(await standIn.mint({ expiresIn: 60 }), standIn.options);
    expect(await refusal(await standIn.mint({ expiresIn: -1 }), standIn.options)).toMatchObject({
      code: 'ERR_JWT_EXPIRED',
      claim: 'exp',
      reason: 'check_failed',
      status: 401,
    });
  });

  test('can name the audience in an array, among others', async () => {
    const { projectId } = standIn;
    for (const aud of [[projectId], ['x', projectId], [1, null, [], projectId]]) {
      expect((await accepts({ aud })).payload.aud).toStrictEqual(aud);
    }
    for (const aud of [[], ['x'], [[projectId]], [`${projectId}:anon`], { 0: projectId }]) {
      await refuses({ aud }, 'aud', 'check_failed');
    }
  });

  test('that nothing checks pass through as JSON.parse has them', async () => {
    const more = [
      '"nested": {"a": [{"b": {"c": [[], {}, null, true]}}]}',
      '"numbers": [12345678901234567890, 0.1, -0, 1e21, 5e-324, 1e999, 9007199254740993]',
      '"text": "Ünï \\u00e7\\ud83d\\ude00 😀 \\ud800 \\" \\\\ \\/ \\u2028 \u2028 \\u0000"',
      '"__proto__": {"is_admin": true}',
      '"constructor": null, "": "", "a": 1, "a": 2',
    ];
    const claims = JSON.stringify(claimsOf(standIn)).slice(0, -1);
    const json = ` ${claims}, ${more.join(', ')}}\n`;
    const token = sign({ alg: 'ES256', kid: 'k' }, json, signer);
    const options = { ...standIn.options, currentDate: at(NOW) };
    const { payload } = await verifyJwt(token, options);
    // Unlike expect's, it tells -0 from 0 and sees a member named __proto__.
    assert.deepStrictEqual(payload, JSON.parse(json));
    expect(Object.hasOwn(payload, '__proto__')).toBe(true);
    expect(Object.getPrototypeOf(payload)).toBe(Object.prototype);
    expect(payload.is_admin).toBeUndefined();
  });

  test('can be nested as deeply as 16 KiB have room for', async () => {
    const depth = 5_500;
    const claims = JSON.stringify(claimsOf(standIn)).slice(0, -1);
    const json = `${claims}, "deep": ${'['.repeat(depth)}${']'.repeat(depth)}}`;
    const token = sign({ alg: 'ES256', kid: 'k' }, json, signer);
    const { payload } = await verifyJwt(token, { ...standIn.options, currentDate: at(NOW) });
    let found = 0;
    for (let deep: any = payload.deep; deep !== undefined; deep = deep[0]) {
      found += 1;
    }
    expect(found).toBe(depth);
  });
});
