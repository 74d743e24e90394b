// What is to come of the programs in the documentation.

import { expect } from 'vitest';

export interface Scenario {
  page: string;
  /** What only this program of the page has. */
  has: string;
  /** Code that comes after it. */
  after?: string;
  /** The lines that it prints; without, it is only compiled here. */
  prints?: string[];
}

const TOKEN = 'const token = process.env.TOKEN as string;';

/** Of a server: who is told what, by path and headers. */
const askServer = (asks: string) => `${TOKEN}
const { port } = server.address() as import('node:net').AddressInfo;
async function ask(path: string, headers: Record<string, string>, method = 'GET') {
  const response = await fetch('http://127.0.0.1:' + port + path, { method, headers });
  const body = await response.text();
  const { id, error, title } = body.startsWith('{') ? JSON.parse(body) : {};
  console.log(path, response.status, id ? id === process.env.USER : (error ?? title ?? body));
}
${asks}
server.close();`;

const askAs = (result: string) => `${TOKEN}
console.log(${result});`;

export const PROGRAMS: Scenario[] = [
  {
    page: 'README.md',
    has: 'fetchUser: true',
    after: askServer(`
await ask('/api/me', { 'x-stack-access-token': token });
await ask('/api/profile', { authorization: 'Bearer ' + token });
await ask('/api/me', {});`),
    prints: ['/api/me 200 true', '/api/profile 200 true', '/api/me 401 ERR_TOKEN_MISSING'],
  },
  {
    page: 'README.md',
    has: "from 'jose'",
    after: askAs('(await userIdOf(token)) === process.env.USER'),
    prints: ['true'],
  },
  {
    page: 'README.md',
    has: 'import { verifyJwt }',
    after: askAs('(await userIdOf(token)) === process.env.USER'),
    prints: ['true'],
  },
  {
    page: 'docs/migrating-from-jose.md',
    has: "from 'jose'",
    after: askServer(`
await ask('/api/me', { 'x-stack-access-token': token });
await ask('/api/me', { 'x-stack-access-token': 'nonsense' });`),
    prints: ['/api/me 200 true', '/api/me 401 Unauthorized'],
  },
  {
    page: 'docs/migrating-from-jose.md',
    has: 'app.use(requireUser());',
    after: askServer(`
await ask('/api/me', { 'x-stack-access-token': token });
await ask('/api/me', { 'x-stack-access-token': 'nonsense' });`),
    prints: ['/api/me 200 true', '/api/me 401 ERR_JWS_INVALID'],
  },
  {
    page: 'docs/migrating-from-fetch.md',
    has: "'x-stack-access-type'",
    after: askAs('(await userOf(token))?.id === process.env.USER'),
    prints: ['true'],
  },
  {
    page: 'docs/migrating-from-fetch.md',
    has: 'error.status < 500',
    after: askAs("(await userOf(token))?.id === process.env.USER, await userOf('a.b.c')"),
    prints: ['true null'],
  },
  {
    page: 'docs/migrating-from-fetch.md',
    has: 'callerOf',
    after: askAs('(await callerOf(token)).email'),
    prints: ['ada@example.com'],
  },
  {
    page: 'docs/migrating-from-fetch.md',
    has: 'maxAge: 10_000',
    after: askAs(`(await userOf(token)).id === process.env.USER);
await userOf(token);
console.log(stackAuth.stats().userCache.hits`),
    prints: ['true', '1'],
  },
  {
    page: 'docs/migrating-from-the-sdk.md',
    has: 'accessTokenFrom(request)',
    after: askAs(`(await (await GET(new Request('http://localhost/', {
  headers: { authorization: 'Bearer stackauth_' + btoa(JSON.stringify({ accessToken: token })) },
}))).json()).id === process.env.USER, (await GET(new Request('http://localhost/'))).status,
(await GET(new Request('http://localhost/', { headers: { authorization: 'Bearer x' } }))).status`),
    prints: ['true 401 401'],
  },
  {
    page: 'docs/express.md',
    has: 'optionalUser({ client })',
    after: askServer(`
await ask('/', {});
await ask('/', { 'x-stack-access-token': 'nonsense' });
await ask('/', { 'x-stack-access-token': token });
await ask('/account/id', {});
await ask('/account/id', { 'x-stack-access-token': token });
await ask('/account/plan', { 'x-stack-access-token': token });`),
    prints: [
      '/ 200 false',
      '/ 401 ERR_JWS_INVALID',
      '/ 200 true',
      '/account/id 401 ERR_TOKEN_MISSING',
      '/account/id 200 true',
      '/account/plan 200 true',
    ],
  },
  {
    page: 'docs/key-cache.md',
    has: 'await stackAuth.warmUp();',
    after: 'console.log(stackAuth.stats().keys.kids.length);',
    prints: ['2'],
  },
  {
    page: 'docs/key-cache.md',
    has: 'KEYS_FILE',
    // A second start, in a process of its own.
    after: `${TOKEN}
await stackAuth.verifyJwt(token);
console.log('fetches', stackAuth.stats().keys.fetches);
if (process.env.AGAIN === undefined) {
  const { execFileSync } = await import('node:child_process');
  const env = { ...process.env, AGAIN: 'yes' };
  console.log('again', String(execFileSync(process.execPath, [process.argv[1] as string], { env })));
}`,
    prints: ['fetches 1', 'again fetches 0'],
  },
  {
    page: 'docs/key-cache.md',
    has: 'isReady',
    after:
      'console.log(await isReady(), keysAtAGlance().kids.length, keysAtAGlance().failuresInARow);',
    prints: ['true 2 0'],
  },
  {
    page: 'docs/errors.md',
    has: 'statusOf',
    after: askAs("await statusOf(token), await statusOf('nonsense')"),
    prints: ['200 401'],
  },
  {
    page: 'docs/errors.md',
    has: 'ErrorRequestHandler',
    after: askServer(`
await ask('/', {});
await ask('/', { 'x-stack-access-token': 'nonsense' });`),
    prints: ['/ 401 ERR_TOKEN_MISSING', '/ 401 ERR_JWS_INVALID'],
  },
  {
    page: 'docs/errors.md',
    has: 'userIdWithin',
    after: askAs('(await userIdWithin(token, 5_000)) === process.env.USER'),
    prints: ['true'],
  },
  // These two are run by newcomer.spec.ts.
  { page: 'docs/testing.md', has: 'a user who was deleted is not let in' },
  { page: 'docs/testing.md', has: "await import('./server.js')" },
  {
    page: 'docs/testing.md',
    has: "from 'node:test'",
    prints: expect.arrayContaining(['# pass 2', '# fail 0']),
  },
  {
    page: 'docs/testing.md',
    has: 'signedIn',
    after: `const { getAuth } = await import('stack-auth-native/express');
${askAs(`getAuth(await signedIn(token, {})).userId === process.env.USER,
  await signedIn('x', {}).catch(({ code }) => code)`)}`,
    prints: ['true ERR_JWS_INVALID'],
  },
  {
    page: 'docs/testing.md',
    has: 'verifyAgainst',
    after: askAs(`(await verifyAgainst(JSON.parse(process.env.JWKS as string), token,
  process.env.HEXCLAVE_PROJECT_ID as string)).payload.sub === process.env.USER`),
    prints: ['true'],
  },
  {
    page: 'docs/deployment.md',
    has: 'export async function handler',
    after:
      askAs(`JSON.parse((await handler({ headers: { 'X-Stack-Access-Token': token } })).body).id ===
  process.env.USER, (await handler({ headers: {} })).statusCode,
  (await handler({ headers: { authorization: 'Bearer x' } })).statusCode`),
    prints: ['true 401 401'],
  },
  {
    page: 'docs/deployment.md',
    has: "from 'esbuild'",
    after: `const { execFileSync } = await import('node:child_process');
console.log(String(execFileSync(process.execPath, [process.env.OUTFILE ?? ''])).trim());`,
    prints: ['ERR_JWS_INVALID function'],
  },
  {
    page: 'docs/deployment.md',
    has: 'externalsType',
    prints: [],
  },
  {
    page: 'docs/deployment.md',
    has: 'serverExternalPackages',
    prints: [],
  },
  {
    page: 'docs/deployment.md',
    has: 'host.docker.internal',
    after: 'console.log(stackAuth.stats().keys.url);',
    prints: [expect.stringMatching(/^http:\/\/host\.docker\.internal:8102\/api\/v1\/projects\//)],
  },
  {
    page: 'docs/deployment.md',
    has: 'SIGTERM',
    after: `${TOKEN}
await stackAuth.verifyJwt(token);
console.log('before');
process.emit('SIGTERM');
console.log(await stackAuth.verifyJwt(token).catch(({ name }: Error) => name));`,
    prints: ['before', 'AbortError'],
  },
  {
    page: 'docs/security.md',
    has: 'isFromOwnPages',
    after: askServer(`
const cookie = 'stack-access=' + encodeURIComponent(JSON.stringify(['', token]));
await ask('/api/name', { cookie }, 'POST');
await ask('/api/name', { cookie, 'sec-fetch-site': 'same-origin' }, 'POST');
await ask('/api/name', { cookie, 'sec-fetch-site': 'cross-site' }, 'POST');
await ask('/api/name', { cookie, origin: 'http://127.0.0.1:' + port }, 'POST');
await ask('/api/name', { cookie, origin: 'https://evil.example' }, 'POST');
await ask('/api/name', { cookie, origin: 'null' }, 'POST');`),
    prints: [
      '/api/name 200 true',
      '/api/name 200 true',
      '/api/name 403 Forbidden',
      '/api/name 200 true',
      '/api/name 403 Forbidden',
      '/api/name 403 Forbidden',
    ],
  },
  {
    page: 'docs/observability.md',
    has: 'tokenCache, userCache',
    after:
      'console.log(keys.fetches, verifications.new, rejections, tokenCache.hits, userCache.hits);',
    prints: ['0 0 {} 0 0'],
  },
  {
    page: 'docs/observability.md',
    has: 'KeysErrorMessage',
    after: `import { StackAuth } from 'stack-auth-native';
console.error = console.log;
await new StackAuth({ projectId: 'p', baseUrl: 'http://127.0.0.1:1' }).warmUp().catch(() => undefined);`,
    prints: [
      expect.stringMatching(/^no keys from http.*: ERR_JWKS_FETCH_FAILED; next attempt in \d+ ms$/),
    ],
  },
  {
    page: 'docs/observability.md',
    has: 'VerifyMessage',
    after: `import { verifyJwt } from 'stack-auth-native';
console.warn = console.log;
await verifyJwt('Bearer x').catch(() => undefined);`,
    prints: [
      expect.stringMatching(/^verifyJwt ERR_JWS_INVALID Invalid Compact JWS: expected three/),
    ],
  },
];
