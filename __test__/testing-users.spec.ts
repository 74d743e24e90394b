import { describe, expect, test } from 'vitest';

import { getUser, verifyJwt } from '../index.js';
import { start, TYPES } from './support/test-kit.js';

describe('signing in', () => {
  test.each(TYPES)('gives a %s user that the package takes', async (type) => {
    const stack = await start();
    const { user, accessToken } = stack.signIn({ type, displayName: 'Ada' });
    const allowing = { ...stack.options, allowAnonymous: true };
    const { payload, protectedHeader } = await verifyJwt(accessToken, allowing);
    expect(payload).toMatchObject({ sub: user.id, name: 'Ada', email: user.primary_email });
    expect(protectedHeader).toEqual({ alg: 'ES256', kid: expect.any(String) });
    expect(await getUser(accessToken, allowing)).toEqual(user);
  });

  test.each([
    ['restricted', {}, 403],
    ['anonymous', {}, 403],
    ['anonymous', { allowRestricted: true }, 403],
    ['restricted', { allowRestricted: true }, 200],
    ['restricted', { allowAnonymous: true }, 200],
    ['anonymous', { allowAnonymous: true }, 200],
  ] as const)('as %s, under %j, ends in %d', async (type, allowing, expected) => {
    const stack = await start();
    const { accessToken } = stack.signIn({ type });
    const found = await getUser(accessToken, { ...stack.options, ...allowing }).then(
      () => 200,
      ({ status }) => status,
    );
    expect(found).toBe(expected);
  });

  test('by an email gives the first who has it, each time', async () => {
    const stack = await start();
    const { user } = stack.signIn({ email: 'ada@example.com' });
    stack.signIn({ fields: { primary_email: 'ada@example.com' } });
    for (const _time of [1, 2, 3]) {
      expect(stack.signIn({ email: 'ada@example.com' }).user.id).toBe(user.id);
    }
  });

  test('may give a user another id, by which alone it is known then', async () => {
    const stack = await start();
    const { user } = stack.signIn();
    const old = user.id;
    stack.signIn({ user, fields: { id: 'another' } });
    expect(stack.deleteUser('another')).toBe(true);
    expect(stack.deleteUser(old)).toBe(false);
  });

  test('with nothing said gives a regular user that nobody else is', async () => {
    const stack = await start();
    const [one, two] = [stack.signIn(), stack.signIn()];
    expect(one.user.id).not.toBe(two.user.id);
    expect(one.user.primary_email).not.toBe(two.user.primary_email);
    expect(one.user).toMatchObject({ is_restricted: false, display_name: null });
    expect(one.user.primary_email).toMatch(/^[^@]+@example\.com$/);
    const without = [1, 2].map(() => stack.signIn({ fields: { primary_email: null } }).user.id);
    expect(new Set(without).size).toBe(2);
  });

  test('again by email or by user is another session of the same user', async () => {
    const stack = await start();
    const first = stack.signIn({ email: 'ada@example.com', type: 'restricted' });
    const again = stack.signIn({ email: 'ada@example.com' });
    expect(again.user).toBe(first.user);
    expect(again.user.is_restricted).toBe(true);
    const byId = stack.signIn({ user: first.user.id });
    expect(byId.user).toBe(first.user);
    const last = stack.signIn({ user: first.user, type: 'regular', displayName: 'Ada' });
    expect(last.user).toBe(first.user);
    expect(last.user).toMatchObject({
      primary_email: 'ada@example.com',
      primary_email_verified: true,
      is_restricted: false,
      display_name: 'Ada',
    });
    const sessions = await Promise.all(
      [first, again, last].map(async ({ accessToken }) => {
        const options = { ...stack.options, allowRestricted: true };
        const { payload } = await verifyJwt(accessToken, options);
        expect(payload.sub).toBe(first.user.id);
        return payload.refresh_token_id;
      }),
    );
    expect(new Set(sessions).size).toBe(3);
  });

  test('can take away an email and a name, or give none', async () => {
    const stack = await start();
    const nothing = { primary_email: null, display_name: null };
    const { user } = stack.signIn({ email: 'ada@example.com', displayName: 'Ada' });
    expect(stack.signIn({ user, email: null, displayName: null }).user).toMatchObject(nothing);
    expect(stack.signIn({ email: null }).user).toMatchObject(nothing);
    const empty = stack.signIn({ email: '', displayName: '' }).user;
    expect(empty).toMatchObject({ ...nothing, primary_email_verified: false });
  });

  test('verifies no address that is not there', async () => {
    const stack = await start();
    const none = { primary_email_verified: false, primary_email_auth_enabled: false };
    const { user: visitor } = stack.signIn({ type: 'anonymous' });
    for (const options of [{ email: null }, { user: visitor, type: 'regular' as const }]) {
      const { user, accessToken } = stack.signIn(options);
      expect(user).toMatchObject(none);
      const { payload } = await verifyJwt(accessToken, stack.options);
      expect(payload).toMatchObject({ email: null, email_verified: false });
    }
    const fields = { primary_email: null, primary_email_verified: true };
    const { user } = stack.signIn({ fields });
    expect(stack.signIn({ user }).user).toMatchObject(fields);
    const { user: later } = stack.signIn({ email: null });
    stack.signIn({ user: later, email: 'late@example.com' });
    const own = { primary_email_verified: true, primary_email_auth_enabled: true };
    expect(later).toMatchObject(own);
  });

  test('knows an address in lower case', async () => {
    const stack = await start();
    const { user } = stack.signIn({ email: ' Ada@Example.com' });
    expect(user.primary_email).toBe('ada@example.com');
    expect(stack.signIn({ email: 'ADA@example.com' }).user).toBe(user);
    user.primary_email = 'Eve@example.com';
    expect(stack.signIn({ email: 'eve@example.com' }).user).toBe(user);
    expect(() => stack.signIn({ email: 5 } as object)).toThrow('email must be a string');
  });

  test('as another type changes no more than that', async () => {
    const stack = await start();
    const own = { has_password: false, auth_with_email: false, primary_email_auth_enabled: false };
    const { user } = stack.signIn({ type: 'restricted', fields: own });
    stack.signIn({ user, type: 'regular' });
    expect(user).toMatchObject({ ...own, primary_email_verified: true, is_restricted: false });
    stack.signIn({ user, fields: { primary_email_verified: false } });
    stack.signIn({ user, type: 'regular' });
    expect(user.primary_email_verified).toBe(false);
    stack.signIn({ user, type: 'anonymous' });
    stack.signIn({ user, type: 'regular' });
    expect(user).toMatchObject({ has_password: true, auth_with_email: true });
  });

  test('by an id gives who has it, but to nobody that of another', async () => {
    const stack = await start();
    const fields = { id: 'ada' };
    const { user } = stack.signIn({ displayName: 'Ada', fields });
    expect(stack.signIn({ fields }).user).toBe(user);
    const { user: other } = stack.signIn();
    const { primary_email: email } = other;
    for (const options of [
      { user: other, fields },
      { email, fields },
    ]) {
      expect(() => stack.signIn(options)).toThrow('there is another user ada');
    }
    expect(user.display_name).toBe('Ada');
    const [one, two] = [{ id: undefined as never }, {}].map((none) =>
      stack.signIn({ fields: none }),
    );
    expect(one?.user.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(two?.user.id).not.toBe(one?.user.id);
  });

  test('shares no fields between users, and takes them as they are served', async () => {
    const stack = await start();
    const fields = { server_metadata: { roles: ['reader'], at: new Date(0) } };
    const [one, two] = [stack.signIn({ fields }), stack.signIn({ fields })];
    (one.user.server_metadata as { roles: string[] }).roles.push('admin');
    const served = { roles: ['reader'], at: '1970-01-01T00:00:00.000Z' };
    expect(two.user.server_metadata).toEqual(served);
    expect(await getUser(two.accessToken, stack.options)).toEqual(two.user);
    expect(fields.server_metadata.roles).toEqual(['reader']);
  });

  test('takes fields of users/me, and what is changed later', async () => {
    const stack = await start();
    const { user, accessToken } = stack.signIn({
      email: 'ada@example.com',
      fields: {
        server_metadata: { plan: 'pro' },
        country_code: 'GB',
        selected_team_id: 'engines',
        requires_totp_mfa: true,
      },
    });
    const { payload } = await verifyJwt(accessToken, stack.options);
    expect(payload).toMatchObject({ selected_team_id: 'engines', requires_totp_mfa: true });
    expect(user).toMatchObject({ primary_email: 'ada@example.com', country_code: 'GB' });
    user.server_metadata = { plan: 'free' };
    const found = await getUser(accessToken, stack.options);
    expect(found).toMatchObject({ server_metadata: { plan: 'free' }, country_code: 'GB' });
  });

  test('gives a client fewer fields', async () => {
    const stack = await start();
    const { projectId, baseUrl } = stack.options;
    const { user, accessToken } = stack.signIn({ fields: { server_metadata: 1 } });
    const found = await getUser(accessToken, { projectId, baseUrl, accessType: 'client' });
    expect(found).toMatchObject({ id: user.id, primary_email: user.primary_email });
    expect(found).not.toHaveProperty('server_metadata');
  });

  test('takes claims, and leaves out those that are undefined', async () => {
    const stack = await start();
    const claims = { aud: undefined, role: 'other', is_restricted: undefined, more: [1] };
    const { accessToken } = stack.signIn({ claims });
    await expect(verifyJwt(accessToken, stack.options)).rejects.toMatchObject({
      code: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
      claim: 'aud',
    });
    const older = stack.signIn({ claims: { ...claims, aud: stack.options.projectId } });
    const { payload } = await verifyJwt(older.accessToken, stack.options);
    expect(payload).toMatchObject({ role: 'other', more: [1] });
    expect(payload).not.toHaveProperty('is_restricted');
  });

  test.each([
    [{ expires_in: 1 }, /signIn has no option expires_in/],
    [{ type: 'guest' }, /regular, restricted, anonymous/],
    [{ type: 'toString' }, /regular, restricted, anonymous/],
    [{ expiresIn: '10m' }, /expiresIn must be a number/],
    [{ expiresIn: Number.NaN }, /expiresIn must be a number/],
    [{ user: 'nobody' }, /there is no user nobody/],
    [{ user: { id: 'nobody' } }, /there is no user nobody/],
  ])('refuses %j', async (wrong, message) => {
    const stack = await start();
    expect(() => stack.signIn(wrong as object)).toThrow(message);
    expect(() => stack.signIn(wrong as object)).toThrow(TypeError);
  });

  test('refuses fields that are no JSON, and what becomes so later is a 500', async () => {
    const stack = await start();
    expect(() => stack.signIn({ fields: { logins: 1n } })).toThrow(TypeError);
    const { user, accessToken } = stack.signIn();
    user.logins = 1n;
    const found = getUser(accessToken, stack.options);
    await expect(found).rejects.toMatchObject({ code: 'ERR_API_UNAVAILABLE' });
    user.logins = 1;
    expect(await getUser(accessToken, stack.options)).toHaveProperty('logins', 1);
  });

  test('refuses claims that are no JSON before it changes anything', async () => {
    const stack = await start();
    const { user } = stack.signIn({ displayName: 'Ada' });
    const claims = { more: 1n } as object;
    expect(() => stack.signIn({ user, displayName: 'Bob', claims })).toThrow(TypeError);
    expect(user.display_name).toBe('Ada');
  });

  test('lets fields win, over what it sets itself as well', async () => {
    const stack = await start();
    const { user } = stack.signIn({ fields: { last_active_at_millis: 5 } });
    expect(user.last_active_at_millis).toBe(5);
  });

  test.each(TYPES)('gives a %s user what such a user has', async (type) => {
    const stack = await start();
    stack.clock = new Date(1_001);
    const { user } = stack.signIn({ type });
    const hasAccount = type !== 'anonymous';
    expect(user).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      primary_email: hasAccount ? `user-${user.id.slice(0, 8)}@example.com` : null,
      primary_email_verified: type === 'regular',
      primary_email_auth_enabled: hasAccount,
      auth_with_email: hasAccount,
      has_password: hasAccount,
      otp_auth_enabled: false,
      passkey_auth_enabled: false,
      requires_totp_mfa: false,
      is_anonymous: !hasAccount,
      is_restricted: type !== 'regular',
      restricted_reason: {
        regular: null,
        restricted: { type: 'email_not_verified' },
        anonymous: { type: 'anonymous' },
      }[type],
      restricted_by_admin: false,
      restricted_by_admin_reason: null,
      restricted_by_admin_private_details: null,
      display_name: null,
      profile_image_url: null,
      signed_up_at_millis: 1_001,
      last_active_at_millis: 1_001,
      client_metadata: null,
      client_read_only_metadata: null,
      server_metadata: null,
      country_code: null,
      risk_scores: { sign_up: { bot: 0, free_trial_abuse: 0 } },
      oauth_providers: [],
      selected_team_id: null,
      selected_team: null,
    });
  });

  test('of a restricted user can be the work of an administrator', async () => {
    const stack = await start();
    const reason = { type: 'restricted_by_administrator' };
    const { accessToken } = stack.signIn({
      type: 'restricted',
      fields: {
        primary_email_verified: true,
        restricted_by_admin: true,
        restricted_by_admin_reason: 'spam',
        restricted_reason: reason,
      },
    });
    const { payload } = await verifyJwt(accessToken, { ...stack.options, allowRestricted: true });
    expect(payload).toMatchObject({ email_verified: true, restricted_reason: reason });
    const { user } = stack.signIn({ fields: { restricted_by_admin: true } });
    expect(user).toMatchObject({
      primary_email_verified: true,
      is_restricted: true,
      restricted_reason: reason,
    });
    const free = { is_restricted: false, restricted_reason: null, restricted_by_admin: false };
    stack.signIn({ user, fields: { restricted_by_admin: false } });
    expect(user).toMatchObject(free);
    stack.signIn({ user, fields: { restricted_by_admin: true } });
    stack.signIn({ user, type: 'regular' });
    expect(user).toMatchObject(free);
    const fields = { restricted_by_admin: true, is_restricted: false };
    expect(stack.signIn({ fields }).user).toMatchObject({ ...fields, restricted_reason: null });
  });
});

test('a deleted user is not found, though the token can be verified', async () => {
  const stack = await start();
  const [one, two] = [stack.signIn(), stack.signIn()];
  expect(stack.deleteUser(one.user)).toBe(true);
  expect(stack.deleteUser(two.user.id)).toBe(true);
  expect(stack.deleteUser(two.user.id)).toBe(false);
  for (const { accessToken } of [one, two]) {
    await verifyJwt(accessToken, stack.options);
    await expect(getUser(accessToken, stack.options)).rejects.toMatchObject({
      code: 'ERR_USER_UNAUTHENTICATED',
      status: 401,
      stackCode: 'CANNOT_GET_OWN_USER_WITHOUT_USER',
    });
  }
  const email = one.user.primary_email;
  expect(stack.signIn({ email }).user.id).not.toBe(one.user.id);
});
