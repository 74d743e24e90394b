import assert from 'node:assert/strict';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { StackAuth, type VerifyJwtOptions, verifyJwt } from '../index.js';
import { StandIn, type UserType } from './support/stand-in.js';
import { newSigner, refusal, type Signer, serve, sign, signersOf } from './support/tokens.js';

const NOW = 1_800_000_000;
const ELSEWHERE = 'https://auth.example.com';

let started = 0;

/** A stand-in of the test's own. Ports come again, so only its project keeps its key cache apart. */
async function start() {
  const standIn = await StandIn.start();
  started += 1;
  standIn.projectId = `verify-spec-${started}`;
  onTestFinished(() => standIn.close());
  return standIn;
}

function issuerOf({ url, projectId }: StandIn, base = url) {
  return `${base}/api/v1/projects/${projectId}`;
}

/** A regular user's claims, good at `NOW`; a change to `undefined` takes a claim away. */
function claimsOf(standIn: StandIn, changes: object = {}) {
  return {
    iss: issuerOf(standIn),
    aud: standIn.projectId,
    sub: 'user-1',
    iat: NOW - 60,
    exp: NOW + 60,
    is_anonymous: false,
    is_restricted: false,
    ...changes,
  };
}

function at(seconds: number) {
  return new Date(seconds * 1_000);
}

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
  test('leaves old tokens good as long as the old keys are published', async () => {
    const standIn = await start();
    const old = await standIn.mint();
    await verifyJwt(old, standIn.options);
    standIn.rotate();
    const recent = await standIn.mint();
    await verifyJwt(recent, standIn.options);
    const { payload } = await verifyJwt(old, standIn.options);
    expect(payload).toStrictEqual(decodeJwt(old));
    expect(standIn.jwksRequests).toBe(2);
    expect(new StackAuth(standIn.options).stats().keys.kids).toHaveLength(4);
  });

  test('makes old tokens bad once the old keys are withdrawn and the set was fetched', async () => {
    const standIn = await start();
    const old = await standIn.mint();
    await verifyJwt(old, standIn.options);
    standIn.rotate({ withdraw: true });
    await verifyJwt(await standIn.mint(), standIn.options);
    expect(await refusal(old, standIn.options)).toMatchObject({
      code: 'ERR_JWKS_NO_MATCHING_KEY',
      status: 401,
    });
  });

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
