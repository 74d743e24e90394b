import { describe, expect, test } from 'vitest';
import { StackAuth, verifyJwt } from '../index.js';
import { refusal } from './support/tokens.js';
import { ELSEWHERE, issuerOf, start } from './support/verify.js';

describe('an issuer', () => {
  const clouds = ['https://api.stack-auth.com', 'https://api.hexclave.com'];

  /** Both clouds are asked by keys that were handed over: nothing goes out to the network. */
  async function fromElsewhere() {
    const standIn = await start();
    standIn.projectId = 'verify-spec-of-the-cloud';
    const client = new StackAuth(standIn.options);
    await client.warmUp();
    const keys = { jwks: client.exportKeys()!.jwks, uat: Date.now() };
    return { standIn, keys, projectId: standIn.projectId };
  }

  const wrongIssuer = {
    code: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
    claim: 'iss',
    reason: 'check_failed',
  };

  test.each([...clouds, undefined])(
    'of either brand counts on the cloud, and no other does: %s',
    async (baseUrl) => {
      const { standIn, keys, projectId } = await fromElsewhere();
      const options = { projectId, keys, baseUrl };
      for (const base of clouds) {
        const token = await standIn.mint({ base });
        expect((await verifyJwt(token, options)).payload.iss).toBe(issuerOf(standIn, base));
      }
      for (const base of [
        ELSEWHERE,
        standIn.url,
        'http://api.stack-auth.com',
        'https://api.stack-auth.com.example.com',
        'https://api.stack-auth.com:443',
        'https://api.stack-auth.com/',
        'HTTPS://API.STACK-AUTH.COM',
      ]) {
        expect(await refusal(await standIn.mint({ base }), options)).toMatchObject(wrongIssuer);
      }
    },
  );

  test('of the cloud does not count on a server of one’s own', async () => {
    const standIn = await start();
    for (const base of clouds) {
      const token = await standIn.mint({ base });
      expect(await refusal(token, standIn.options)).toMatchObject(wrongIssuer);
    }
  });

  test('can have further addresses, with or without a trailing slash', async () => {
    const standIn = await start();
    const issuerBaseUrls = [`${ELSEWHERE}/`, 'http://stack-internal:8102'];
    const options = { ...standIn.options, issuerBaseUrls };
    for (const base of [standIn.url, ELSEWHERE, 'http://stack-internal:8102']) {
      const { payload } = await verifyJwt(await standIn.mint({ base }), options);
      expect(payload.iss).toBe(issuerOf(standIn, base));
    }
    for (const base of ['https://other.example.com', 'http://auth.example.com', ...clouds]) {
      expect(await refusal(await standIn.mint({ base }), options)).toMatchObject(wrongIssuer);
    }
  });

  test('has further addresses for each user type', async () => {
    const standIn = await start();
    const options = { ...standIn.options, issuerBaseUrls: [ELSEWHERE] };
    const token = await standIn.mint({ type: 'anonymous', base: ELSEWHERE });
    const error = await refusal(token, options);
    expect(error.code).toBe('ERR_USER_TYPE_NOT_ALLOWED');
    const { payload } = await verifyJwt(token, { ...options, allowAnonymous: true });
    expect(payload.is_anonymous).toBe(true);
  });
});
