// What a newcomer does: a strict TypeScript project of their own, the packed tarball, the README's
// Express server as it stands there, and specs of it with the test kit.

import { symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { newConsumer, root } from './support/consumer.js';
import { programsOf, readPages } from './support/pages.js';

const modules = path.join(root, 'node_modules');
let consumer: Awaited<ReturnType<typeof newConsumer>>;
beforeAll(async () => {
  consumer = await newConsumer();
  const write = (file: string, content: string) =>
    writeFile(path.join(consumer.project, file), content);
  const programs = (await readPages()).flatMap(programsOf);
  const program = (has: string) => programs.find(({ code }) => code.includes(has))?.code as string;
  await write('server.ts', program('fetchUser: true'));
  await write('user.spec.ts', program('a user who was deleted is not let in'));
  await write('late.spec.ts', program("await import('./server.js')"));
  await write('server.spec.ts', SPEC);
  await write('package.json', '{ "private": true, "type": "module" }');
  await write('tsconfig.json', JSON.stringify(TSCONFIG));
  // A link leads back to the packages that those need in turn.
  for (const name of ['express', 'vitest', '@types/express']) {
    await symlink(path.join(modules, name), path.join(consumer.project, 'node_modules', name));
  }
}, 60_000);
afterAll(() => consumer.remove());

const TSCONFIG = {
  compilerOptions: {
    target: 'es2022',
    module: 'nodenext',
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noEmit: true,
    skipLibCheck: true,
  },
  include: ['*.ts'],
};

const SPEC = `
import type { AddressInfo } from 'node:net';
import { startStackAuth } from 'stack-auth-native/testing';
import { afterAll, expect, test } from 'vitest';

const stack = await startStackAuth();
Object.assign(process.env, stack.env, { PORT: '0' });
const { server } = await import('./server.js');
const { port } = server.address() as AddressInfo;
afterAll(async () => {
  server.close();
  await stack.stop();
});

async function get(path: string, accessToken?: string) {
  const headers = accessToken === undefined ? {} : { 'x-stack-access-token': accessToken };
  const response = await fetch(\`http://127.0.0.1:\${port}\${path}\`, { headers });
  const body = (await response.json()) as Record<string, unknown>;
  return { status: response.status, challenge: response.headers.get('www-authenticate'), body };
}

test('who is signed in is known', async () => {
  const { user, accessToken } = stack.signIn({ email: 'ada@example.com' });
  const claims = await get('/api/me', accessToken);
  expect(claims).toMatchObject({ status: 200, body: { id: user.id, email: 'ada@example.com' } });
  const profile = await get('/api/profile', accessToken);
  const { id, primary_email: email, display_name: name } = user;
  expect(profile).toMatchObject({ status: 200, body: { id, email, name } });
});

test('who is not, is told so', async () => {
  expect(await get('/api/me')).toMatchObject({ status: 401, body: { error: 'ERR_TOKEN_MISSING' } });
  const { accessToken } = stack.signIn({ type: 'anonymous' });
  const refused = await get('/api/me', accessToken);
  expect(refused).toMatchObject({ status: 403, body: { error: 'ERR_USER_TYPE_NOT_ALLOWED' } });
  expect(refused.challenge).toContain('insufficient_scope');
});

test('an outage signs nobody out', async () => {
  const { accessToken } = stack.signIn();
  await get('/api/me', accessToken);
  await stack.outage('refuse');
  expect(await get('/api/me', accessToken)).toMatchObject({ status: 200 });
  expect(await get('/api/profile', accessToken)).toMatchObject({ status: 503 });
  await stack.recover();
});
`;

test('a newcomer’s project compiles, strictly', async () => {
  const tsc = path.join(modules, 'typescript/bin/tsc');
  expect(await consumer.outputOf([tsc, '--project', 'tsconfig.json'])).toBe('');
});

test('a newcomer’s project passes its specs', async () => {
  const vitest = path.join(modules, 'vitest/vitest.mjs');
  const output = await consumer.outputOf([vitest, 'run', '--root=.']);
  expect(output).toMatch(/Test Files +3 passed \(3\)/);
  expect(output).toMatch(/Tests +5 passed \(5\)/);
}, 90_000);
