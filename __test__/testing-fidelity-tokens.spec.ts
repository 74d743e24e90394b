// The tokens that the test kit signs, and their keys, held against Stack Auth's own code.

import { createPublicKey } from 'node:crypto';
import { createRequire } from 'node:module';

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';

import { type StackAuthStandIn, startStackAuth } from '../testing.js';
import { KnownErrors } from './support/stand-in.js';
import { expectKnown, TYPES, textOf } from './support/test-kit.js';

const load = createRequire(import.meta.url);
const { getPrivateJwks, getPublicJwkSet, signJWT } = load(
  '@stackframe/stack-shared/dist/utils/jwt',
);
const { StatusError } = load('@stackframe/stack-shared/dist/utils/errors');
const { yupObject, yupString, yupValidate } = load('@stackframe/stack-shared/dist/schema-fields');
const { jwkOf } = load('../lib/testing/keys.js');

process.env.STACK_SERVER_SECRET = '23-wuNpik0gIW4mruTz25rbIvhuuvZFrLOLtL7J4tyo';

let stack: StackAuthStandIn;
beforeAll(async () => {
  stack = await startStackAuth();
});
afterAll(() => stack.stop());

const keySetPath = () => `/api/v1/projects/${stack.options.projectId}/.well-known/jwks.json`;
const get = (path: string, { baseUrl } = stack.options) => fetch(baseUrl + path);

describe('a token', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test.each(TYPES)('of a %s user is what Stack Auth would have signed', async (type) => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_777_000_000_123 });
    const { accessToken } = stack.signIn({ type, expiresIn: 300 });
    const [header, payload, signature] = accessToken.split('.');
    const { iss, aud, exp, iat, ...claims } = JSON.parse(textOf(payload));
    const theirs: string = await signJWT({
      issuer: iss,
      audience: aud,
      expirationTime: new Date(exp * 1_000),
      payload: claims,
    });
    const [theirHeader, theirPayload, theirSignature] = theirs.split('.');
    expect(textOf(payload)).toBe(textOf(theirPayload));
    expect(iat).toBe(1_777_000_000);
    expect(exp).toBe(1_777_000_300);
    const { kid } = JSON.parse(textOf(theirHeader));
    const withTheirs = textOf(header).replace(/"kid":"[\w-]{12}"/, `"kid":"${kid}"`);
    expect(withTheirs).toBe(textOf(theirHeader));
    expect(signature).toHaveLength(theirSignature?.length ?? 0);
  });

  test.each([
    ['regular', 'projects', '', null],
    ['restricted', 'projects-restricted-users', ':restricted', { type: 'email_not_verified' }],
    ['anonymous', 'projects-anonymous-users', ':anon', { type: 'anonymous' }],
  ] as const)('of a %s user says so', (type, collection, suffix, reason) => {
    const { accessToken, user } = stack.signIn({ type, displayName: 'Ada' });
    const { projectId, baseUrl } = stack.options;
    expect(JSON.parse(textOf(accessToken.split('.')[1]))).toEqual({
      sub: user.id,
      iss: `${baseUrl}/api/v1/${collection}/${projectId}`,
      aud: projectId + suffix,
      exp: expect.any(Number),
      iat: expect.any(Number),
      project_id: projectId,
      branch_id: 'main',
      refresh_token_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      role: 'authenticated',
      name: 'Ada',
      email: type === 'anonymous' ? null : user.primary_email,
      email_verified: type === 'regular',
      selected_team_id: null,
      signed_up_at: Math.floor(user.signed_up_at_millis / 1_000),
      is_anonymous: type === 'anonymous',
      is_restricted: type !== 'regular',
      restricted_reason: reason,
      requires_totp_mfa: false,
    });
  });
});

describe('a key set', () => {
  test.each([
    ['', 2],
    ['?include_restricted=true', 4],
    ['?include_anonymous=true', 6],
    ['?include_restricted=true&include_anonymous=true', 6],
    ['?include_restricted=false&include_anonymous=false', 2],
  ])('has the form of Stack Auth’s (%s)', async (query, count) => {
    const { keys } = (await (await get(keySetPath() + query)).json()) as any;
    expect(keys).toHaveLength(count);
    expect(new Set(keys.map(({ kid }: any) => kid)).size).toBe(count);
    const [theirs] = (await getPublicJwkSet(await getPrivateJwks({ audience: 'a' }))).keys;
    for (const key of keys) {
      expect(Object.keys(key)).toEqual(Object.keys(theirs));
      expect(key).toMatchObject({ kty: theirs.kty, crv: theirs.crv, alg: theirs.alg });
      expect(key.kid).toMatch(/^[\w-]{12}$/);
    }
  });

  test('has four keys for an audience after a rotation, and never more', async () => {
    const own = await startStackAuth();
    const path = `/api/v1/projects/${own.options.projectId}/.well-known/jwks.json`;
    const kids = async () => {
      const { keys } = (await (await get(path, own.options)).json()) as any;
      return keys.map(({ kid }: any) => kid);
    };
    const first = await kids();
    own.rotateKeys();
    const second = await kids();
    expect(second).toEqual([expect.any(String), expect.any(String), ...first]);
    own.rotateKeys();
    expect(await kids()).toEqual([expect.any(String), expect.any(String), ...second.slice(0, 2)]);
    own.rotateKeys({ withdraw: true });
    const last = await kids();
    expect(last).toHaveLength(2);
    expect(first.concat(second)).not.toContain(last[0]);
    await own.stop();
  });

  test('writes coordinates as Stack Auth does, short ones too', async () => {
    const lengths = new Set<number>();
    for (let n = 0; lengths.size < 2 && n < 2_000; n++) {
      const [privateJwk] = await getPrivateJwks({ audience: `audience-${n}` });
      const theirs = (await getPublicJwkSet([privateJwk])).keys[0];
      const key = createPublicKey({ key: theirs, format: 'jwk' });
      expect(jwkOf(key, theirs.kid)).toEqual(theirs);
      lengths.add(Buffer.from(theirs.x, 'base64url').length);
    }
    expect([...lengths]).toEqual(expect.arrayContaining([31, 32]));
  });

  test('may be kept for an hour', async () => {
    const { status, headers } = await get(keySetPath());
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('public, max-age=3600');
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
  });

  test('of an unknown project is refused without a code', async () => {
    const response = await get('/api/v1/projects/another/.well-known/jwks.json');
    const theirs = new StatusError(404, 'Project not found');
    expect(response.status).toBe(theirs.statusCode);
    expect([response.headers.get('content-type')]).toEqual(theirs.getHeaders()['Content-Type']);
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(theirs.getBody());
    // The query is judged before anything else.
    const wrong = await get('/api/v1/projects/another/.well-known/jwks.json?more=x');
    expect(wrong.headers.get('x-stack-known-error')).toBe('SCHEMA_ERROR');
  });

  test.each([
    '?include_everything=true',
    '?include_everything=true&include_nothing=&include_everything=false',
    '?include_restricted=yes',
    '?include_anonymous=1&include_restricted=&more=x',
  ])('is refused as Stack Auth’s schema does (%s)', async (query) => {
    const flag = () => yupString().oneOf(['true', 'false']).default('false');
    const schema = yupObject({
      query: yupObject({ include_restricted: flag(), include_anonymous: flag() }),
    });
    const request = { query: Object.fromEntries(new URLSearchParams(query)) };
    const context = { noUnknownPathPrefixes: ['query'] };
    const { inner, ...failed } = await yupValidate(schema, request, {
      abortEarly: false,
      context,
    }).then(
      () => expect.unreachable(),
      (error: any) => error,
    );
    const list = (inner.length ? inner : [failed]).map((e: any) => `\n  - ${e.message}`).join('');
    const text = `Request validation failed on GET ${keySetPath()}:${list}`;
    await expectKnown(await get(keySetPath() + query), new KnownErrors.SchemaError(text));
  });
});
