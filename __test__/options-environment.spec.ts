import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { getUser, StackAuth, verifyJwt } from '../index.js';
import { refusalsOf } from './support/refusals.ts';
import { StandIn, userOf } from './support/stand-in.js';

let standIn: StandIn;
let token: string;

beforeAll(async () => {
  standIn = await StandIn.start();
  token = await standIn.mint();
});
afterAll(() => standIn.close());
afterEach(() => vi.unstubAllEnvs());

const refuses = refusalsOf(() => token);

describe('the environment', () => {
  const set = (...names: string[]) => {
    for (const name of names) {
      vi.stubEnv(name, name.replace(/_/g, '-'));
    }
  };
  const projectId = () => new StackAuth().stats().keys.url.split('/').at(-3);

  test('names the project: HEXCLAVE before STACK, plain before NEXT_PUBLIC', () => {
    set('NEXT_PUBLIC_STACK_PROJECT_ID');
    expect(projectId()).toBe('NEXT-PUBLIC-STACK-PROJECT-ID');
    set('STACK_PROJECT_ID');
    expect(projectId()).toBe('STACK-PROJECT-ID');
    set('NEXT_PUBLIC_HEXCLAVE_PROJECT_ID');
    expect(projectId()).toBe('NEXT-PUBLIC-HEXCLAVE-PROJECT-ID');
    set('HEXCLAVE_PROJECT_ID');
    expect(projectId()).toBe('HEXCLAVE-PROJECT-ID');
    expect(new StackAuth({ projectId: 'own' }).stats().keys.url).toContain('/own/');
  });

  test('that is empty counts as unset', async () => {
    vi.stubEnv('HEXCLAVE_PROJECT_ID', '');
    await refuses({}, /^projectId is missing: .* or STACK_PROJECT_ID$/);
    set('STACK_PROJECT_ID');
    expect(projectId()).toBe('STACK-PROJECT-ID');
  });

  test('is read when a client is made, and by a function at each call', async () => {
    const client = () => new StackAuth({ baseUrl: standIn.url });
    vi.stubEnv('STACK_PROJECT_ID', standIn.projectId);
    const early = client();
    vi.stubEnv('STACK_PROJECT_ID', 'another');
    await expect(early.verifyJwt(token)).resolves.toBeDefined();
    await expect(early.verifyJwt(token, { clockTolerance: 1 })).resolves.toBeDefined();
    const late = { code: 'ERR_CONFIG', message: expect.stringMatching('no such project') };
    await expect(verifyJwt(token, { baseUrl: standIn.url })).rejects.toMatchObject(late);
    vi.stubEnv('STACK_PROJECT_ID', standIn.projectId);
    await expect(verifyJwt(token, { baseUrl: standIn.url })).resolves.toBeDefined();
    vi.stubEnv('STACK_SECRET_SERVER_KEY', standIn.secretServerKey);
    const keyless = early.getUser(token, { clockTolerance: 1 });
    await expect(keyless).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  });

  test('has no part in what options are: an array is none, whatever was verified before', async () => {
    vi.stubEnv('STACK_PROJECT_ID', standIn.projectId);
    vi.stubEnv('STACK_API_URL', standIn.url);
    await verifyJwt(token, {});
    await verifyJwt(token, {});
    await refuses([], 'options must be a plain object');
  });

  test.each([
    ['NEXT_PUBLIC_STACK_API_URL', 'localhost:8102', 'baseUrl must be'],
    ['HEXCLAVE_PROJECT_ID', "'quoted'", 'projectId must be'],
    ['STACK_SECRET_SERVER_KEY', 'ssk_1\n', 'found white space before or after them'],
  ])('is named where it is wrong: %s', async (variable, value, what) => {
    vi.stubEnv('STACK_PROJECT_ID', standIn.projectId);
    vi.stubEnv(variable, value);
    await refuses({}, what);
    await refuses({}, `(from ${variable})`);
  });

  test('is not named where it has no part', async () => {
    await refuses({ projectId: 'a/b' }, /^(?!.*\(from )/);
  });

  test('names the address and the keys, the secret one never publicly', async () => {
    standIn.users.set('5c2f6e0a-3d1b-4b7e-9a8c-0f1e2d3c4b5a', userOf());
    vi.stubEnv('STACK_PROJECT_ID', standIn.projectId);
    vi.stubEnv('NEXT_PUBLIC_STACK_API_URL', standIn.url);
    vi.stubEnv('NEXT_PUBLIC_STACK_SECRET_SERVER_KEY', standIn.secretServerKey);
    await expect(getUser(token)).rejects.toMatchObject({ code: 'ERR_CONFIG' });
    vi.stubEnv('STACK_SECRET_SERVER_KEY', 'ssk_of_the_former_brand');
    vi.stubEnv('HEXCLAVE_SECRET_SERVER_KEY', standIn.secretServerKey);
    vi.stubEnv('HEXCLAVE_PUBLISHABLE_CLIENT_KEY', 'pck_1');
    await expect(getUser(token)).resolves.toEqual(userOf());
    const { headers } = standIn.requests.at(-1)!;
    expect(headers['x-stack-publishable-client-key']).toBe('pck_1');
  });
});
