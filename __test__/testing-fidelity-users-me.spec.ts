// What the test kit answers to those who ask for a user, held against Stack Auth's own code.

import { createRequire } from 'node:module';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { type StackAuthStandIn, startStackAuth, type UserType } from '../testing.js';
import { KnownErrors } from './support/stand-in.js';
import { expectKnown, TYPES, textOf } from './support/test-kit.js';

const load = createRequire(import.meta.url);
const { currentUserCrud } = load('@stackframe/stack-shared/dist/interface/crud/current-user');
const { KNOWN_ERRORS } = load('../lib/testing/errors.js');

let stack: StackAuthStandIn;
beforeAll(async () => {
  stack = await startStackAuth();
});
afterAll(() => stack.stop());

const get = (path: string, headers = {}, { baseUrl } = stack.options) =>
  fetch(baseUrl + path, { headers });

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
      'an admin key alone',
      () => ({ 'super-secret-admin-key': 'k' }),
      () => new K.ProjectKeyWithoutAccessType(),
    ],
    [
      'a publishable key alone',
      () => ({ 'publishable-client-key': 'k' }),
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
      'a token without its signature',
      () => ({ ...usual(), 'access-token': tokenOf('regular').replace(/\.[^.]*$/, '') }),
      () => new K.UnparsableAccessToken(),
    ],
    [
      'a token with a part too many',
      () => ({ ...usual(), 'access-token': `${tokenOf('regular')}.x` }),
      () => new K.UnparsableAccessToken(),
    ],
    [
      'a token of an unknown key',
      () => {
        const unknown = btoa('{"alg":"ES256","kid":"x"}');
        return { ...usual(), 'access-token': tokenOf('regular').replace(/^[^.]*/, unknown) };
      },
      () => new K.UnparsableAccessToken(),
    ],
    [
      'a token of another issuer',
      () => ({ ...usual(), 'access-token': tokenOf('regular', { claims: { iss: 'other' } }) }),
      () => new K.UnparsableAccessToken(),
    ],
    [
      'a token that never expires',
      () => ({ ...usual(), 'access-token': tokenOf('regular', { claims: { exp: undefined } }) }),
      () => new K.UnparsableAccessToken(),
    ],
    [
      'a token that expires at no number',
      () => ({ ...usual(), 'access-token': tokenOf('regular', { claims: { exp: 'soon' } }) }),
      () => new K.UnparsableAccessToken(),
    ],
    [
      'a token that is nonsense, before the wrong key',
      () => ({ ...usual(), 'access-token': 'nonsense', 'secret-server-key': 'ssk_wrong' }),
      () => new K.UnparsableAccessToken(),
    ],
    [
      'a wrong key, before another branch',
      () => ({ ...usual(), 'secret-server-key': 'ssk_wrong', 'branch-id': 'side' }),
      () => new K.InvalidSecretServerKey(pid()),
    ],
    [
      'an anonymous user’s token',
      () => ({
        ...usual(),
        'access-token': tokenOf('anonymous'),
        'allow-anonymous-user': 'false',
        'allow-restricted-user': 'true',
      }),
      () => new K.AnonymousAuthenticationNotAllowed(),
    ],
    [
      'a restricted user’s token',
      () => ({
        ...usual(),
        'access-token': tokenOf('restricted'),
        'allow-restricted-user': 'false',
      }),
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

  test('for an expired token has Stack Auth’s bytes, with and without its session and user', async () => {
    for (const claims of [{}, { refresh_token_id: undefined }, { sub: undefined }]) {
      const { accessToken } = stack.signIn({ expiresIn: -5, claims });
      const { exp, sub, refresh_token_id } = JSON.parse(textOf(accessToken.split('.')[1]));
      const expiredAt = new Date(exp * 1_000);
      // Whatever project is asked for.
      const headers = { ...usual(), 'project-id': other, 'access-token': accessToken };
      const response = await send(headers, 'stack');
      seen.add(response.headers.get('x-stack-known-error'));
      const known = new K.AccessTokenExpired(expiredAt, pid(), sub, refresh_token_id);
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
    const response = await get('/api/v1/users/me', { 'x-stack-override-error-status': 'yes' });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-stack-actual-status')).toBe('400');
    expect(response.headers.get('x-stack-known-error')).toBe('ACCESS_TYPE_REQUIRED');
    const { accessToken } = stack.signIn();
    const whole = { ...usual(), 'access-token': accessToken, 'override-error-status': 'true' };
    const fine = await send(whole, 'stack');
    expect(fine.status).toBe(200);
    expect(fine.headers.get('x-stack-actual-status')).toBeNull();
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
