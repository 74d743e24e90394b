// What the test kit makes and says, held against Stack Auth's own code.

import { createPublicKey } from 'node:crypto';
import { createRequire } from 'node:module';

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';

import { type StackAuthStandIn, startStackAuth, type UserType } from '../testing.js';
import { KnownErrors } from './support/stand-in.js';

const load = createRequire(import.meta.url);
const { getPrivateJwks, getPublicJwkSet, signJWT } = load(
  '@stackframe/stack-shared/dist/utils/jwt',
);
const { StatusError } = load('@stackframe/stack-shared/dist/utils/errors');
const { yupObject, yupString, yupValidate } = load('@stackframe/stack-shared/dist/schema-fields');
const { currentUserCrud } = load('@stackframe/stack-shared/dist/interface/crud/current-user');
const { KNOWN_ERRORS } = load('../lib/testing/errors.js');
const { jwkOf } = load('../lib/testing/keys.js');

const TYPES: UserType[] = ['regular', 'restricted', 'anonymous'];

process.env.STACK_SERVER_SECRET = '23-wuNpik0gIW4mruTz25rbIvhuuvZFrLOLtL7J4tyo';

let stack: StackAuthStandIn;
beforeAll(async () => {
  stack = await startStackAuth();
});
afterAll(() => stack.stop());

const textOf = (part: string | undefined) => Buffer.from(part ?? '', 'base64url').toString();
const keySetPath = () => `/api/v1/projects/${stack.options.projectId}/.well-known/jwks.json`;
const get = (path: string, headers = {}, { baseUrl } = stack.options) =>
  fetch(baseUrl + path, { headers });

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
      const { keys } = (await (await get(path, {}, own.options)).json()) as any;
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

/** The bytes of a known error, and its headers. */
async function expectKnown(response: Response, known: any) {
  expect(await response.text()).toBe(new TextDecoder().decode(known.getBody()));
  expect(response.status).toBe(known.statusCode);
  for (const [name, values] of Object.entries(known.getHeaders())) {
    expect([response.headers.get(name)]).toEqual(values);
  }
}

describe('a refusal of users/me', () => {
  const seen = new Set<string | null>();
  const K = KnownErrors;
  const other = 'b3a0c2d4-1e5f-4a6b-8c7d-9e0f1a2b3c4d';
  /** The headers of a request that is in order. */
  const usual = () => ({
    'access-type': 'server',
    'project-id': stack.options.projectId,
    'secret-server-key': stack.options.secretServerKey,
  });
  const tokenOf = (type: UserType, options = {}) => stack.signIn({ type, ...options }).accessToken;
  const pid = () => stack.options.projectId;

  type Headers = Record<string, string | undefined>;
  const rows: Array<[string, () => Headers, () => any]> = [
    ['nothing', () => ({}), () => new K.AccessTypeRequired()],
    [
      'a key alone',
      () => ({ 'secret-server-key': 'k' }),
      () => new K.ProjectKeyWithoutAccessType(),
    ],
    [
      'an access type of its own',
      () => ({ ...usual(), 'access-type': 'own' }),
      () => new K.InvalidAccessType('own'),
    ],
    [
      'no project',
      () => ({ ...usual(), 'project-id': undefined }),
      () => new K.AccessTypeWithoutProjectId('server'),
    ],
    [
      'another project',
      () => ({ ...usual(), 'project-id': other }),
      () => new K.CurrentProjectNotFound(other),
    ],
    [
      'a token for another project than asked',
      () => ({ ...usual(), 'project-id': other, 'access-token': tokenOf('regular') }),
      () => new K.InvalidProjectForAccessToken(other, pid()),
    ],
    [
      'another branch',
      () => ({ ...usual(), 'branch-id': 'side' }),
      () => new K.BranchDoesNotExist('side'),
    ],
    ['no token', usual, () => new K.CannotGetOwnUserWithoutUser()],
    [
      'nonsense',
      () => ({ ...usual(), 'access-token': 'nonsense' }),
      () => new K.UnparsableAccessToken(),
    ],
    [
      'a forged token',
      () => ({ ...usual(), 'access-token': `${tokenOf('regular').slice(0, -8)}AAAAAAAA` }),
      () => new K.UnparsableAccessToken(),
    ],
    [
      'a token of another issuer',
      () => ({ ...usual(), 'access-token': tokenOf('regular', { claims: { iss: 'other' } }) }),
      () => new K.UnparsableAccessToken(),
    ],
    [
      'an anonymous user’s token',
      () => ({
        ...usual(),
        'access-token': tokenOf('anonymous'),
        'allow-restricted-user': 'true',
      }),
      () => new K.AnonymousAuthenticationNotAllowed(),
    ],
    [
      'a restricted user’s token',
      () => ({ ...usual(), 'access-token': tokenOf('restricted') }),
      () => new K.RestrictedUserNotAllowed({ type: 'email_not_verified' }),
    ],
    [
      'no secret key',
      () => ({ ...usual(), 'secret-server-key': undefined }),
      () => new K.ServerAuthenticationRequired(),
    ],
    [
      'a wrong secret key',
      () => ({ ...usual(), 'secret-server-key': 'ssk_wrong' }),
      () => new K.InvalidSecretServerKey(pid()),
    ],
    [
      'a wrong publishable key',
      () => ({ ...usual(), 'access-type': 'client', 'publishable-client-key': 'pck_wrong' }),
      () => new K.InvalidPublishableClientKey(pid()),
    ],
    [
      'no admin key',
      () => ({ ...usual(), 'access-type': 'admin' }),
      () => new K.AdminAuthenticationRequired(),
    ],
    [
      'an admin key',
      () => ({ ...usual(), 'access-type': 'admin', 'super-secret-admin-key': 'sak_1' }),
      () => new K.InvalidSuperSecretAdminKey(pid()),
    ],
  ];
  const send = (headers: Headers, brand: string, on = stack) => {
    const named = Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[`x-${brand}-${name}`, value]],
    );
    return get('/api/v1/users/me', Object.fromEntries(named), on.options);
  };

  test.each(rows)('for %s has Stack Auth’s bytes', async (_what, headers, known) => {
    for (const brand of ['stack', 'hexclave']) {
      const response = await send(headers(), brand);
      seen.add(response.headers.get('x-stack-known-error'));
      await expectKnown(response, known());
      expect(response.headers.get('cache-control')).toBe('no-store, max-age=0');
    }
  });

  test('for an expired token has Stack Auth’s bytes, with and without its session', async () => {
    for (const claims of [{}, { refresh_token_id: undefined }]) {
      const { user, accessToken } = stack.signIn({ expiresIn: -5, claims });
      const { exp, refresh_token_id } = JSON.parse(textOf(accessToken.split('.')[1]));
      const expiredAt = new Date(exp * 1_000);
      const response = await send({ ...usual(), 'access-token': accessToken }, 'stack');
      seen.add(response.headers.get('x-stack-known-error'));
      const known = new K.AccessTokenExpired(expiredAt, pid(), user.id, refresh_token_id);
      await expectKnown(response, known);
    }
  });

  test('for want of the publishable key has Stack Auth’s bytes', async () => {
    const own = await startStackAuth({ requirePublishableClientKey: true });
    const { projectId, publishableClientKey } = own.options;
    const headers = { 'access-type': 'client', 'project-id': projectId };
    const response = await send(headers, 'stack', own);
    seen.add(response.headers.get('x-stack-known-error'));
    await expectKnown(response, new K.PublishableClientKeyRequiredForProject(projectId));
    const { accessToken } = own.signIn();
    const whole = { 'publishable-client-key': publishableClientKey, 'access-token': accessToken };
    expect((await send({ ...headers, ...whole }, 'stack', own)).status).toBe(200);
    await own.stop();
  });

  test('for an unknown parameter has Stack Auth’s bytes', async () => {
    const response = await get(
      '/api/v1/users/me?expand=all',
      Object.fromEntries(
        Object.entries(usual()).map(([name, value]) => [`x-stack-${name}`, value]),
      ),
    );
    seen.add(response.headers.get('x-stack-known-error'));
    const text =
      'Request validation failed on GET /api/v1/users/me:\n  - query contains unknown properties: expand';
    await expectKnown(response, new K.SchemaError(text));
  });

  test('is tested for every error that the kit can give', () => {
    expect(seen).toEqual(new Set(Object.keys(KNOWN_ERRORS)));
  });

  test('comes as a 200 where the SDK asks for that', async () => {
    const response = await get('/api/v1/users/me', { 'x-stack-override-error-status': 'true' });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-stack-actual-status')).toBe('400');
    expect(response.headers.get('x-stack-known-error')).toBe('ACCESS_TYPE_REQUIRED');
  });
});

describe('a user', () => {
  const ask = async (accessType: string, options: Parameters<typeof stack.signIn>[0]) => {
    const { user, accessToken } = stack.signIn(options);
    const response = await get('/api/v1/users/me', {
      'x-stack-access-type': accessType,
      'x-stack-project-id': stack.options.projectId,
      'x-stack-secret-server-key': stack.options.secretServerKey,
      'x-stack-access-token': accessToken,
      'x-stack-allow-anonymous-user': 'true',
    });
    return { user, found: (await response.json()) as any };
  };
  const team = {
    id: '00000000-0000-4000-8000-000000000000',
    display_name: 'Engines',
    profile_image_url: null,
    created_at_millis: 1_700_000_000_000,
    server_metadata: { plan: 'pro' },
    client_metadata: null,
    client_read_only_metadata: null,
  };

  test.each(
    TYPES.flatMap((type) => [
      { type },
      { type, displayName: 'Ada', fields: { selected_team_id: team.id, selected_team: team } },
    ]),
  )('is one that Stack Auth’s schemas take: %j', async (options) => {
    const { server, client } = currentUserCrud;
    const whole = await ask('server', options);
    expect(whole.found).toEqual(whole.user);
    expect(await server.readSchema.validate(whole.found, { strict: true })).toEqual(whole.found);
    expect(Object.keys(whole.found).sort()).toEqual(Object.keys(server.readSchema.fields).sort());

    const less = await ask('client', options);
    expect(await client.readSchema.validate(less.found, { strict: true })).toEqual(less.found);
    expect(Object.keys(less.found).sort()).toEqual(Object.keys(client.readSchema.fields).sort());
    if ('fields' in options) {
      const { created_at_millis, server_metadata, ...rest } = team;
      expect(less.found.selected_team).toEqual(rest);
    }
  });
});
