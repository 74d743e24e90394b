import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

import { describe, expect, onTestFinished, test, vi } from 'vitest';

import { getUser, verifyJwt } from '../index.js';
import { startStackAuth } from '../testing.js';
import { start } from './support/test-kit.js';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '..');

test('a typing slip in an option of the start is an error', async () => {
  await expect(startStackAuth({ projectID: 'p' } as object)).rejects.toThrow(
    /startStackAuth has no option projectID/,
  );
});

test('the environment has all that a server and a client need', async () => {
  const stack = await start({ requirePublishableClientKey: true });
  onTestFinished(() => void vi.unstubAllEnvs());
  for (const [name, value] of Object.entries(stack.env)) {
    vi.stubEnv(name, value);
  }
  const { user, accessToken } = stack.signIn();
  for (const accessType of ['server', 'client'] as const) {
    expect(await getUser(accessToken, { accessType })).toHaveProperty('id', user.id);
  }
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
  ['POST', '/api/v1/projects/p/.well-known/jwks.json'],
  ['GET', '/api/v1/teams'],
  ['GET', '//'],
  ['GET', '/api/v1/projects/%zz/.well-known/jwks.json'],
])('%s %s is not there', async (method, target) => {
  const stack = await start({ projectId: 'p' });
  const response = await fetch(stack.options.baseUrl + target, { method });
  expect([response.status, response.headers.get('content-type')]).toEqual([
    404,
    'text/plain; charset=utf-8',
  ]);
});

test('nobody is served but by 127.0.0.1', async () => {
  const stack = await start();
  await expect(fetch(stack.options.baseUrl.replace('127.0.0.1', '[::1]'))).rejects.toThrow();
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
    await vi.waitUntil(() => stack.requests.length === 1, { timeout: 10_000 });
    await stack.stop();
    await expect(hanging).rejects.toMatchObject({ code: 'ERR_JWKS_FETCH_FAILED' });
    await stack.stop();
    await stack.recover();
    await expect(fetch(stack.options.baseUrl)).rejects.toThrow();

    const other = await startStackAuth();
    await other.outage('refuse');
    const { stop } = other;
    await stop();
    await other.recover();
    await expect(fetch(other.options.baseUrl)).rejects.toThrow();
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
