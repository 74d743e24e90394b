import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, test } from 'vitest';
import { type VerifyJwtOptions, verifyJwt } from '../index.js';
import type { UserType } from './support/stand-in.js';
import { newSigner, refusal, serve, sign } from './support/tokens.js';
import { at, claimsOf, NOW, start } from './support/verify.js';

describe('a user type', () => {
  const types: UserType[] = ['regular', 'restricted', 'anonymous'];
  const sets: Array<[name: string, options: VerifyJwtOptions, allowed: number]> = [
    ['neither option', {}, 1],
    ['allowRestricted', { allowRestricted: true }, 2],
    ['allowAnonymous', { allowAnonymous: true }, 3],
  ];
  const cases = sets.flatMap(([name, options, allowed]) =>
    types.map((type, index) => ({ name, options, type, taken: index < allowed })),
  );

  test.each(cases.filter(({ taken }) => taken))(
    'of a $type user is allowed with $name, and the token comes back as it was signed',
    async ({ type, options }) => {
      const standIn = await start();
      const token = await standIn.mint({ type });
      const verified = await verifyJwt(token, { ...standIn.options, ...options });
      expect(verified).toStrictEqual({
        payload: decodeJwt(token),
        protectedHeader: decodeProtectedHeader(token),
      });
      expect(Object.keys(verified.protectedHeader)).toEqual(['alg', 'kid']);
      expect(standIn.jwksRequests).toBe(1);
    },
  );

  test.each(cases.filter(({ taken }) => !taken))(
    'of a $type user is not allowed with $name, and costs no request',
    async ({ type, options }) => {
      const standIn = await start();
      const token = await standIn.mint({ type });
      const error = await refusal(token, { ...standIn.options, ...options });
      expect(error).toMatchObject({ code: 'ERR_USER_TYPE_NOT_ALLOWED', status: 403 });
      expect(error.retryable).toBe(false);
      expect(standIn.requests).toHaveLength(0);
    },
  );

  test.each([
    ['', { aud: ':anon' }],
    ['', { aud: ':restricted' }],
    ['-restricted-users', { aud: '' }],
    ['-restricted-users', { aud: ':anon' }],
    ['-anonymous-users', { aud: '' }],
    ['-anonymous-users', { aud: ':restricted' }],
  ])(
    'is named by iss and aud together: projects%s with %o is none',
    async (collection, { aud }) => {
      const standIn = await start();
      const signer = newSigner('k');
      serve(standIn, [signer.jwk]);
      const claims = claimsOf(standIn, {
        iss: `${standIn.url}/api/v1/projects${collection}/${standIn.projectId}`,
        aud: `${standIn.projectId}${aud}`,
        is_anonymous: undefined,
        is_restricted: undefined,
      });
      const token = sign({ alg: 'ES256', kid: 'k' }, claims, signer);
      const options = { ...standIn.options, allowAnonymous: true, currentDate: at(NOW) };
      expect(await refusal(token, options)).toMatchObject({
        code: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
        claim: 'aud',
        reason: 'check_failed',
      });
    },
  );
});

describe('the flags is_anonymous and is_restricted', () => {
  test.each([
    ['regular', 'is_anonymous', true],
    ['regular', 'is_restricted', true],
    ['restricted', 'is_anonymous', true],
    ['restricted', 'is_restricted', false],
    ['anonymous', 'is_anonymous', false],
    ['anonymous', 'is_restricted', false],
  ] as const)('of a %s user cannot contradict the audience: %s: %s', async (type, claim, flag) => {
    const standIn = await start();
    const token = await standIn.mint({ type, claims: { [claim]: flag } });
    const error = await refusal(token, { ...standIn.options, allowAnonymous: true });
    expect(error).toMatchObject({
      code: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
      claim,
      reason: 'check_failed',
      status: 401,
    });
  });
});
