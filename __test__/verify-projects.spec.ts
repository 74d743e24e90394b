import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { verifyJwt } from '../index.js';
import type { StandIn } from './support/stand-in.js';
import { refusal, type Signer, sign, signersOf } from './support/tokens.js';
import { at, claimsOf, NOW, start } from './support/verify.js';

describe('a project', () => {
  test('does not take the token of another project of the same issuer', async () => {
    const standIn = await start();
    const token = await standIn.mint({ projectId: 'another-project' });
    expect(await refusal(token, standIn.options)).toMatchObject({
      code: 'ERR_JWKS_NO_MATCHING_KEY',
      status: 401,
      retryable: false,
    });
  });

  test('does not take it even if both projects have one key', async () => {
    const standIn = await start();
    const [signer] = await signersOf(standIn);
    const header = { alg: 'ES256', kid: signer!.jwk.kid };
    const other = `${standIn.url}/api/v1/projects/another-project`;
    const options = { ...standIn.options, currentDate: at(NOW) };
    for (const [changes, claim] of [
      [{ iss: other, aud: 'another-project' }, 'iss'],
      [{ iss: other }, 'iss'],
      [{ aud: 'another-project' }, 'aud'],
    ] as const) {
      const token = sign(header, claimsOf(standIn, changes), signer!);
      expect(await refusal(token, options)).toMatchObject({ claim, reason: 'check_failed' });
    }
  });

  test.each([0, 1])('can have a short coordinate in key %d of its two', async (index) => {
    const standIn = await start();
    const signer = await shortKey(standIn, index);
    const { kid, x, y } = signer.jwk;
    const lengths = [x!, y!].map((coordinate) => Buffer.from(coordinate, 'base64url').length);
    expect(Math.min(...lengths)).toBe(31);

    const token = sign({ alg: 'ES256', kid }, claimsOf(standIn), signer);
    const { payload } = await verifyJwt(token, { ...standIn.options, currentDate: at(NOW) });
    expect(payload).toStrictEqual(claimsOf(standIn));
    // Stack Auth signs with the first of the two.
    const minted = await standIn.mint();
    expect((await verifyJwt(minted, standIn.options)).payload).toStrictEqual(decodeJwt(minted));
    expect(standIn.jwksRequests).toBe(1);
  });

  /** Names the project so that the key has one: the keys follow from the name and the secret. */
  async function shortKey(standIn: StandIn, index: number): Promise<Signer> {
    for (let number = 0; number < 1_000; number += 1) {
      standIn.projectId = `project-${number}`;
      const { keys } = await standIn.keySet();
      const { x, y } = keys[index];
      if (x.length < 43 || y.length < 43) {
        return (await signersOf(standIn))[index]!;
      }
    }
    return expect.unreachable('no audience has a short key');
  }
});

describe('a rotated secret', () => {
  test('can have the keys of both secrets published, and every one of the four counts', async () => {
    const standIn = await start();
    const before = await signersOf(standIn);
    standIn.rotate();
    const after = await signersOf(standIn);
    for (const signer of [...before, ...after]) {
      const token = sign({ alg: 'ES256', kid: signer.jwk.kid }, claimsOf(standIn), signer);
      await verifyJwt(token, { ...standIn.options, currentDate: at(NOW) });
    }
    expect(standIn.jwksRequests).toBe(1);
  });
});
