import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';

import { describe, expect, test } from 'vitest';
import { getUser, StackAuth } from '../index.js';
import { answer, startIssuer, times, until } from './support/cache-issuer.js';
import { type StandIn, userOf } from './support/stand-in.js';

const { currentUserCrud } = createRequire(import.meta.url)(
  '@stackframe/stack-shared/dist/interface/crud/current-user',
);

const headersOf = (issuer: StandIn) =>
  issuer.requests.find(({ url }) => url === '/api/v1/users/me')?.headers;

describe('the request', () => {
  test('has the headers of server access, and no others', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await getUser(token, issuer.options);
    expect(headersOf(issuer)).toEqual({
      host: new URL(issuer.url).host,
      accept: 'application/json',
      'accept-encoding': 'gzip',
      'user-agent': expect.stringMatching(/^stack-auth-native\/\d+\.\d+\.\d+$/),
      'x-stack-access-type': 'server',
      'x-stack-project-id': issuer.projectId,
      'x-stack-secret-server-key': issuer.secretServerKey,
      'x-stack-access-token': token,
    });
    expect(issuer.requests.at(-1)?.method).toBe('GET');
  });

  test.each([
    ['publishable key', { publishableClientKey: 'pck_1' }, { 'publishable-client-key': 'pck_1' }],
    ['client access', { accessType: 'client' }, { 'access-type': 'client' }],
    [
      'client access with a publishable key',
      { accessType: 'client', publishableClientKey: 'pck_1' },
      { 'access-type': 'client', 'publishable-client-key': 'pck_1' },
    ],
    ['restricted users', { allowRestricted: true }, { 'allow-restricted-user': 'true' }],
    ['anonymous users', { allowAnonymous: true }, { 'allow-anonymous-user': 'true' }],
    [
      'anonymous and restricted users',
      { allowAnonymous: true, allowRestricted: true },
      { 'allow-anonymous-user': 'true' },
    ],
  ] as const)('has the headers of %s', async (_what, options, further) => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await getUser(token, { ...issuer.options, ...options });
    const usual = {
      'access-type': 'server',
      'project-id': issuer.projectId,
      ...('accessType' in options ? {} : { 'secret-server-key': issuer.secretServerKey }),
      'access-token': token,
    };
    const sent = Object.entries(headersOf(issuer) ?? {}).filter(([name]) => name.startsWith('x-'));
    expect(Object.fromEntries(sent)).toEqual(
      Object.fromEntries(
        Object.entries({ ...usual, ...further }).map(([name, value]) => [`x-stack-${name}`, value]),
      ),
    );
  });

  test('is made by a client with the options of the call', async () => {
    const issuer = await startIssuer();
    const client = new StackAuth({ ...issuer.options, secretServerKey: 'ssk_other' });
    const token = await issuer.mint({ type: 'anonymous' });
    const { secretServerKey } = issuer;
    const user = await client.getUser(token, { secretServerKey, allowAnonymous: true });
    expect(user).toEqual(userOf());
  });

  test('goes over a connection that is open', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    for (const call of times(5, () => () => getUser(token, issuer.options))) {
      await call();
    }
    expect(issuer.userRequests).toBe(5);
    // The first one may come before the connection that brought the keys is free again.
    expect(new Set(issuer.requests.map(({ socket }) => socket)).size).toBeLessThanOrEqual(2);
  });

  test('ends with the call that is aborted', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    let closed = false;
    answer(issuer, 'users/me', (request) => {
      request.socket.on('close', () => {
        closed = true;
      });
    });
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = getUser(token, { ...issuer.options, signal, timeout: 60_000 });
    await until(() => issuer.userRequests === 1);
    controller.abort('gone');
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError', cause: 'gone' });
    await until(() => closed);
  });

  test('is not made by a call that was aborted before', async () => {
    const issuer = await startIssuer();
    const signal = AbortSignal.abort();
    const aborted = getUser(await issuer.mint(), { ...issuer.options, signal });
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
    expect(issuer.requests).toEqual([]);
  });
});

describe('the user', () => {
  async function userFrom(body: string | Buffer, headers = {}) {
    const issuer = await startIssuer();
    answer(issuer, 'users/me', (_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body),
    );
    return getUser(await issuer.mint(), issuer.options);
  }

  test('is one that Stack Auth’s own schema takes', async () => {
    const issuer = await startIssuer();
    const user = await getUser(await issuer.mint(), issuer.options);
    expect(await currentUserCrud.server.readSchema.validate(user)).toEqual(user);
  });

  test.each<[string, unknown]>([
    ['fields that nobody knows yet', { new_field: { deep: [{ deeper: [null, true, 'x'] }] } }],
    ['text in all scripts', { display_name: 'Zoë 北斎 👩🏽‍🚀 \u202eabc\u2028\u0000"\\' }],
    ['half a surrogate pair', { display_name: '\ud83d' }],
    ['numbers of all sizes', { client_metadata: [0, -0.5, 1e308, 5e-324, 2 ** 53, -1e-7] }],
    ['names of the language', { constructor: 1, toString: 2, hasOwnProperty: 3 }],
    ['an image of 2 MB', { profile_image_url: `data:image/png;base64,${'A'.repeat(2e6)}` }],
    [
      'a team',
      {
        selected_team_id: '00000000-0000-4000-8000-000000000000',
        selected_team: {
          id: '00000000-0000-4000-8000-000000000000',
          display_name: 'Team',
          profile_image_url: null,
          created_at_millis: 1,
          new_field: 2,
        },
      },
    ],
  ])('comes with %s', async (_what, fields) => {
    const user = { ...userOf(), ...(fields as object) };
    expect(await userFrom(JSON.stringify(user))).toEqual(user);
  });

  test('is read as JSON.parse reads it', async () => {
    const body = '{"id":"1","id":"2","__proto__":{"polluted":true},"large":1e400}';
    const user = await userFrom(body);
    expect(user).toEqual(JSON.parse(body));
    expect(Object.keys(user)).toEqual(['id', '__proto__', 'large']);
    expect(user).not.toHaveProperty('polluted');
  });

  test('may come compressed', async () => {
    const body = gzipSync(JSON.stringify(userOf()));
    expect(await userFrom(body, { 'content-encoding': 'gzip' })).toEqual(userOf());
  });

  test('may come in pieces', async () => {
    const issuer = await startIssuer();
    answer(issuer, 'users/me', (_request, response) => {
      const [head, tail] = [
        JSON.stringify(userOf()).slice(0, 9),
        JSON.stringify(userOf()).slice(9),
      ];
      response.write(head);
      setTimeout(() => response.end(tail), 20);
    });
    expect(await getUser(await issuer.mint(), issuer.options)).toEqual(userOf());
  });

  test('may come with any media type', async () => {
    const type = { 'content-type': 'text/plain' };
    expect(await userFrom(JSON.stringify(userOf()), type)).toEqual(userOf());
  });

  test('may have 8 MiB', async () => {
    const body = JSON.stringify(userOf()).padEnd(8 * 1024 * 1024);
    expect(await userFrom(body)).toEqual(userOf());
  });
});
