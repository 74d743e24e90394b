import { execFile } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { describe, expect, onTestFinished, test, vi } from 'vitest';

import { getUser, StackAuth, verifyJwt } from '../index.js';
import { type OutageKind, startStackAuth, type UserType } from '../testing.js';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '..');
const TYPES: UserType[] = ['regular', 'restricted', 'anonymous'];

async function start(options?: Parameters<typeof startStackAuth>[0]) {
  const stack = await startStackAuth(options);
  onTestFinished(() => stack.stop());
  return stack;
}

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

  test('with nothing said gives a regular user that nobody else is', async () => {
    const stack = await start();
    const [one, two] = [stack.signIn(), stack.signIn()];
    expect(one.user.id).not.toBe(two.user.id);
    expect(one.user.primary_email).not.toBe(two.user.primary_email);
    expect(one.user).toMatchObject({ is_restricted: false, display_name: null });
    expect(one.user.primary_email).toMatch(/^[^@]+@example\.com$/);
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

  test('takes fields of users/me, and what is changed later', async () => {
    const stack = await start();
    const { user, accessToken } = stack.signIn({
      email: 'ada@example.com',
      fields: { server_metadata: { plan: 'pro' }, country_code: 'GB' },
    });
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
  });
});

test('a typing slip in an option of the start is an error', async () => {
  await expect(startStackAuth({ projectID: 'p' } as object)).rejects.toThrow(
    /startStackAuth has no option projectID/,
  );
});

describe('the clock', () => {
  test('moves tokens, users/me, and the package by currentDate', async () => {
    const stack = await start();
    const { accessToken } = stack.signIn({ expiresIn: 60 });
    const options = () => ({ ...stack.options, currentDate: stack.clock });
    await getUser(accessToken, options());

    stack.clock = new Date(stack.clock.getTime() + 60_000);
    await expect(getUser(accessToken, options())).rejects.toMatchObject({
      code: 'ERR_JWT_EXPIRED',
    });
    // By its own clock the package takes it, and only users/me knows better.
    await verifyJwt(accessToken, stack.options);
    await expect(getUser(accessToken, stack.options)).rejects.toMatchObject({
      code: 'ERR_USER_UNAUTHENTICATED',
      stackCode: 'ACCESS_TOKEN_EXPIRED',
    });

    stack.clock = new Date('2031-02-03T04:05:06.789Z');
    const later = stack.signIn();
    const { payload } = await verifyJwt(later.accessToken, options());
    expect(payload.iat).toBe(Date.parse('2031-02-03T04:05:06Z') / 1_000);
    expect(payload.exp).toBe((payload.iat ?? 0) + 600);
    expect(later.user.signed_up_at_millis).toBe(stack.clock.getTime());

    stack.clock = new Date('2031-02-04T00:00:00Z');
    stack.signIn({ user: later.user });
    expect(later.user.last_active_at_millis).toBe(stack.clock.getTime());
    expect(later.user.signed_up_at_millis).toBeLessThan(stack.clock.getTime());

    stack.clock = undefined;
    expect(Math.abs(stack.clock.getTime() - Date.now())).toBeLessThan(5_000);
  });

  test('stands still once it is set, and cannot be moved by what it returned', async () => {
    const stack = await start();
    stack.clock = new Date(1_000);
    stack.clock.setTime(5_000);
    await sleep(5);
    expect(stack.clock).toEqual(new Date(1_000));
  });

  test('is the fake one, if there is one', async () => {
    const stack = await start();
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2031-02-03T04:05:06Z') });
    onTestFinished(() => void vi.useRealTimers());
    expect(stack.clock).toEqual(new Date('2031-02-03T04:05:06Z'));
  });

  test.each([[5], ['2031-02-03'], [new Date(Number.NaN)], [null]])('is not %s', async (wrong) => {
    const stack = await start();
    expect(() => {
      stack.clock = wrong as Date;
    }).toThrow(TypeError);
  });
});

describe('a rotation', () => {
  test('signs with new keys, and the old ones count', async () => {
    const stack = await start();
    const client = new StackAuth(stack.options);
    const [before, kidBefore] = await kidOf(stack, client);
    stack.rotateKeys();
    const [after, kidAfter] = await kidOf(stack, client);
    expect(kidAfter).not.toBe(kidBefore);
    expect(client.stats().keys.fetches).toBe(2);
    expect(client.stats().keys.kids).toHaveLength(4);
    await client.getUser(before);
    await client.getUser(after);
  });

  test('that withdraws the old keys ends their tokens', async () => {
    const stack = await start();
    const client = new StackAuth(stack.options);
    const [before] = await kidOf(stack, client);
    stack.rotateKeys({ withdraw: true });
    await kidOf(stack, client);
    await expect(client.verifyJwt(before)).rejects.toMatchObject({
      code: 'ERR_JWKS_NO_MATCHING_KEY',
      status: 401,
    });
  });

  async function kidOf(stack: Awaited<ReturnType<typeof start>>, client: StackAuth) {
    const { accessToken } = stack.signIn();
    return [accessToken, (await client.verifyJwt(accessToken)).protectedHeader.kid] as const;
  }
});

describe('an outage', () => {
  const DOWN = { status: 503, retryable: true };

  test.each<[OutageKind, object, string, string]>([
    ['refuse', {}, 'ERR_JWKS_FETCH_FAILED', 'ERR_API_UNAVAILABLE'],
    ['hang', {}, 'ERR_JWKS_TIMEOUT', 'ERR_API_TIMEOUT'],
    ['error', {}, 'ERR_JWKS_FETCH_FAILED', 'ERR_API_UNAVAILABLE'],
    ['rateLimit', {}, 'ERR_JWKS_FETCH_FAILED', 'ERR_API_RATE_LIMITED'],
    ['rateLimit', { retryAfter: 60 }, 'ERR_JWKS_FETCH_FAILED', 'ERR_API_RATE_LIMITED'],
  ])('(%s, %j) is the fault of nobody who calls, and ends', async (kind, options, keys, api) => {
    const stack = await start();
    const client = new StackAuth({ ...stack.options, timeout: 800 });
    const { user, accessToken } = stack.signIn();
    const { baseUrl } = stack.options;
    await stack.outage(kind, options);
    await expect(client.verifyJwt(accessToken)).rejects.toMatchObject({ ...DOWN, code: keys });
    await expect(client.getUser(accessToken)).rejects.toMatchObject({ ...DOWN, code: api });
    expect(stack.requests.length > 0).toBe(kind !== 'refuse');

    await stack.recover();
    expect(stack.options.baseUrl).toBe(baseUrl);
    await sleep((client.stats().keys.nextAttemptIn ?? 0) + 5);
    await client.verifyJwt(accessToken);

    await stack.outage(kind, options);
    await client.verifyJwt(accessToken);
    await expect(client.getUser(accessToken)).rejects.toMatchObject({ ...DOWN, code: api });
    await stack.recover();
    expect(await client.getUser(accessToken)).toEqual(user);
  });

  test.each([
    ['refuse', undefined, undefined],
    ['error', 500, undefined],
    ['rateLimit', 429, '7'],
  ] as const)('of kind %s takes the place of another', async (kind, status, retryAfter) => {
    const stack = await start();
    for (const before of ['refuse', 'hang', 'error', 'rateLimit'] as const) {
      await stack.outage(before);
      await stack.outage(kind, { retryAfter: 7 });
      const response = await fetch(`${stack.options.baseUrl}/api/v1/users/me`).catch(() => null);
      expect(response?.status).toBe(status);
      expect(response?.headers.get('retry-after') ?? undefined).toBe(retryAfter);
    }
  });

  test('can be ended twice, or without having begun', async () => {
    const stack = await start();
    await stack.recover();
    await stack.outage('refuse');
    await stack.recover();
    await stack.recover();
    await verifyJwt(stack.signIn().accessToken, stack.options);
  });

  test('of an unknown kind is an error', async () => {
    const stack = await start();
    await expect(stack.outage('toString' as OutageKind)).rejects.toThrow(TypeError);
    await expect(stack.outage('rateLimit', { retryafter: 1 } as object)).rejects.toThrow(TypeError);
    expect(() => stack.rotateKeys({ withdrawn: true } as object)).toThrow(TypeError);
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

test('requests tell what was asked, without secret keys', async () => {
  const stack = await start();
  const { accessToken } = stack.signIn();
  await getUser(accessToken, stack.options);
  const { projectId, secretServerKey } = stack.options;
  expect(stack.requests).toEqual([
    expect.objectContaining({
      method: 'GET',
      path: `/api/v1/projects/${projectId}/.well-known/jwks.json`,
    }),
    {
      method: 'GET',
      path: '/api/v1/users/me',
      headers: expect.objectContaining({
        'x-stack-project-id': projectId,
        'x-stack-access-token': accessToken,
        'x-stack-secret-server-key': '[redacted]',
      }),
    },
  ]);
  expect(JSON.stringify(stack.requests)).not.toContain(secretServerKey);
  await fetch(stack.options.baseUrl, { headers: { 'x-hexclave-super-secret-admin-key': 'sak_1' } });
  expect(stack.requests.at(-1)).toMatchObject({ path: '/' });
  expect(JSON.stringify(stack.requests.at(-1))).not.toContain('sak_1');
  stack.requests.length = 0;
  await verifyJwt(accessToken, stack.options);
  expect(stack.requests).toEqual([]);
});

test.each([
  ['POST', '/api/v1/users/me'],
  ['GET', '/api/v1/teams'],
  ['GET', '//'],
  ['GET', '/api/v1/projects/%zz/.well-known/jwks.json'],
])('%s %s is not there', async (method, target) => {
  const stack = await start();
  const response = await fetch(stack.options.baseUrl + target, { method });
  expect([response.status, response.headers.get('content-type')]).toEqual([
    404,
    'text/plain; charset=utf-8',
  ]);
});

describe('several at a time', () => {
  test('know only their own', async () => {
    const [one, two] = [await start(), await start()];
    expect(one.options.projectId).not.toBe(two.options.projectId);
    const { accessToken } = one.signIn();
    await verifyJwt(accessToken, one.options);
    await expect(verifyJwt(accessToken, two.options)).rejects.toMatchObject({ status: 401 });
    await one.outage('refuse');
    await getUser(two.signIn().accessToken, two.options);
  });

  test('can have a project id that was asked for', async () => {
    const projectId = `built-in-${crypto.randomUUID()}`;
    const stack = await start({ projectId });
    expect(stack.options.projectId).toBe(projectId);
    const { payload } = await verifyJwt(stack.signIn().accessToken, stack.options);
    expect(payload.aud).toBe(projectId);
  });
});

describe('the end', () => {
  test('can be asked for twice, during an outage, and is for good', async () => {
    const stack = await startStackAuth();
    await stack.outage('hang');
    const { accessToken } = stack.signIn();
    const hanging = verifyJwt(accessToken, { ...stack.options, timeout: 20_000 });
    hanging.catch(() => {});
    await vi.waitUntil(() => stack.requests.length === 1);
    await stack.stop();
    await expect(hanging).rejects.toMatchObject({ code: 'ERR_JWKS_FETCH_FAILED' });
    await stack.stop();
    await stack.recover();
    await expect(fetch(stack.options.baseUrl)).rejects.toThrow();

    const other = await startStackAuth();
    await other.outage('refuse');
    await other.stop();
  });

  test('comes with the block that disposes of it', async () => {
    let baseUrl = '';
    {
      await using stack = await startStackAuth();
      baseUrl = stack.options.baseUrl;
      await fetch(baseUrl);
    }
    await expect(fetch(baseUrl)).rejects.toThrow();
  });

  test('need not be asked for: a process ends all the same', async () => {
    const code = `
      const { getUser, verifyJwt } = require('./index.js');
      const { startStackAuth } = require('./testing.js');
      startStackAuth().then(async (stack) => {
        const { user, accessToken } = stack.signIn();
        Object.assign(process.env, stack.env);
        await verifyJwt(accessToken);
        const found = await getUser(accessToken);
        const response = await fetch(stack.options.baseUrl + '/api/v1/users/me');
        await response.text();
        console.log(found.id === user.id, response.status);
      });`;
    const started = performance.now();
    const { stdout } = await run(process.execPath, ['-e', code], { cwd: root, timeout: 20_000 });
    expect(stdout.trim()).toBe('true 400');
    expect(performance.now() - started).toBeLessThan(15_000);
  });

  test('does not wait for ever where the garbage collector comes in between', async () => {
    const code = `
      const { Keys } = require('./lib/testing/keys.js');
      const keys = new Keys(['a']);
      for (let n = 0; n < 500; n += 1) {
        keys.rotate(true);
        for (let n = 0; n < 20; n += 1) keys.jwks(['a']);
      }`;
    await run(process.execPath, ['--max-semi-space-size=1', '-e', code], {
      cwd: root,
      timeout: 30_000,
    });
  }, 40_000);
});
