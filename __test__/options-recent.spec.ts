// Options that were read before need not be read again: each call still gets its own.

import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
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

describe('options that were read before', () => {
  test('are told apart by their names, where their values are the same', async () => {
    const anonymous = await standIn.mint({ type: 'anonymous' });
    await verifyJwt(anonymous, { ...standIn.options, allowAnonymous: true });
    const other = { ...standIn.options, allowRestricted: true };
    await expect(verifyJwt(anonymous, other)).rejects.toMatchObject({ status: 403 });
  });

  test('are no array or function, though it has the members of some that were verified by', async () => {
    const { options } = standIn;
    await verifyJwt(token, options);
    for (const other of [[], () => {}]) {
      await refuses(Object.assign(other, options), 'options must be a plain object');
    }
  });

  test('count by their types, too, where values of another would be equal', async () => {
    const options = { ...standIn.options, clockTolerance: 5, allowAnonymous: true };
    await verifyJwt(token, options);
    for (const [name, other] of [
      ['clockTolerance', '5'],
      ['allowAnonymous', 1],
      ['projectId', [standIn.projectId]],
    ] as const) {
      await refuses({ ...options, [name]: other }, `${name} must be`);
    }
  });

  test('are not read again, whatever a call has of its own, and whichever came last', async () => {
    const client = new StackAuth(standIn.options);
    const { signal } = new AbortController();
    const ways = [
      ...[4_001, 4_002].map((timeout) => ({ ...standIn.options, timeout })),
      { ...standIn.options, timeout: 4_003, currentDate: new Date() },
      { ...standIn.options, timeout: 4_003, signal },
    ];
    const all = async () => {
      for (const options of ways) {
        await verifyJwt(token, options);
        await getUser(token, options).catch(() => {});
        await client.verifyJwt(token, options);
      }
    };
    await all();
    const entries = vi.spyOn(Object, 'entries');
    onTestFinished(() => entries.mockRestore());
    await all();
    await all();
    expect(entries.mock.calls.filter(([options]) => ways.includes(options as any))).toEqual([]);
  });

  test('are not read again where they are left out, and the environment is the same', async () => {
    vi.stubEnv('STACK_PROJECT_ID', standIn.projectId);
    vi.stubEnv('STACK_API_URL', standIn.url);
    await verifyJwt(token);
    const stringify = vi.spyOn(JSON, 'stringify');
    onTestFinished(() => stringify.mockRestore());
    await verifyJwt(token);
    await verifyJwt(token, {});
    expect(stringify).not.toHaveBeenCalled();
  });

  test('are read again in another environment, even if it changed while they were read', async () => {
    const before = standIn.projectId;
    const after = 'another-project';
    vi.stubEnv('STACK_API_URL', standIn.url);
    vi.stubEnv('STACK_PROJECT_ID', before);
    const { signal } = new AbortController();
    const changing = Object.defineProperty(signal, 'aborted', {
      get() {
        vi.stubEnv('STACK_PROJECT_ID', after);
        return false;
      },
    });
    await verifyJwt(token, { clockTolerance: 3, signal: changing });
    expect(process.env.STACK_PROJECT_ID).toBe(after);
    const again = verifyJwt(token, { clockTolerance: 3 });
    await expect(again).rejects.toMatchObject({ code: 'ERR_CONFIG' }); // No such project.
  });

  test('are those of the call, even if reading them verifies by others', async () => {
    const anonymous = await standIn.mint({ type: 'anonymous' });
    const lax = { ...standIn.options, allowAnonymous: true };
    const strict = { ...standIn.options, allowAnonymous: false };
    const nested: Promise<unknown>[] = [];
    const reading = (options: object) =>
      new Proxy(options, {
        get(target, name) {
          nested.push(verifyJwt(anonymous, lax));
          return Reflect.get(target, name);
        },
      });
    // So that both are known, and the strict ones were the last.
    for (const options of [lax, lax, strict, strict]) {
      await verifyJwt(token, options);
    }
    await expect(verifyJwt(anonymous, reading(strict))).rejects.toMatchObject({ status: 403 });
    await expect(verifyJwt(anonymous, reading(lax))).resolves.toBeDefined();
    expect(nested.length).toBeGreaterThan(5);
    await Promise.all(nested);
  });

  test('of many projects are kept within bounds', async () => {
    const { set } = Map.prototype;
    let most = 0;
    Map.prototype.set = function (key, value) {
      set.call(this, key, value);
      most = Math.max(most, this.size);
      return this;
    };
    try {
      for (let n = 0; n < 4_200; n += 1) {
        await verifyJwt('nonsense', { projectId: `many-${n}` }).catch(() => {});
      }
    } finally {
      Map.prototype.set = set;
    }
    expect(most).toBe(4_096);
  });

  test('of one project are kept within bounds', async () => {
    const { set } = Map.prototype;
    const projectId = 'with-many-options';
    let most = 0;
    Map.prototype.set = function (key, value) {
      most = Math.max(most, key === projectId ? value.length : 0);
      return set.call(this, key, value);
    };
    try {
      for (let timeout = 1; timeout <= 20; timeout += 1) {
        await verifyJwt('nonsense', { projectId, timeout }).catch(() => {});
      }
    } finally {
      Map.prototype.set = set;
    }
    expect(most).toBe(4);
  });
});

describe.each<[string, () => (accessToken: string, options?: object) => Promise<unknown>]>([
  [
    'verifyJwt',
    () => (accessToken, more) => verifyJwt(accessToken, { ...standIn.options, ...more }),
  ],
  [
    'a client',
    () => {
      const client = new StackAuth(standIn.options);
      return (accessToken, more) => client.verifyJwt(accessToken, more);
    },
  ],
])('the options of a single call of %s', (_what, make) => {
  const aborted = { signal: AbortSignal.abort() };
  const later = { currentDate: new Date('2100-01-01') };

  test.each([{}, { clockTolerance: 1 }])('are its own, beside %o', async (others) => {
    const verify = make();
    for (let round = 0; round < 3; round += 1) {
      await expect(verify(token, { ...others, ...aborted })).rejects.toMatchObject({
        name: 'AbortError',
      });
      await expect(verify(token, { ...others, ...later })).rejects.toMatchObject({ claim: 'exp' });
      const { signal } = new AbortController();
      await expect(verify(token, { signal, ...others })).resolves.toBeDefined();
      await expect(verify(token, others)).resolves.toBeDefined();
    }
  });

  test.each([
    [{ signal: {} }, 'signal must be an AbortSignal, found object'],
    [{ currentDate: 1 }, 'currentDate must be a valid Date, found number'],
  ])('are checked each time: %o', async (wrong, message) => {
    const verify = make();
    for (let round = 0; round < 3; round += 1) {
      const refused = { code: 'ERR_CONFIG', message: expect.stringContaining(message) };
      await expect(verify(token, wrong)).rejects.toMatchObject(refused);
      await expect(
        verify(token, { signal: undefined, currentDate: undefined }),
      ).resolves.toBeDefined();
    }
  });
});

describe('a client', () => {
  test('keeps its own signal where a call has options', async () => {
    const client = new StackAuth({ ...standIn.options, signal: AbortSignal.abort() });
    for (const options of [{ clockTolerance: 1 }, { currentDate: new Date() }]) {
      for (let round = 0; round < 3; round += 1) {
        await expect(client.verifyJwt(token, options)).rejects.toMatchObject({
          name: 'AbortError',
        });
      }
    }
  });

  test('counts the calls that have a signal of their own', async () => {
    const client = new StackAuth({ ...standIn.options, timeout: 4_321 });
    for (let n = 0; n < 4_200; n += 1) {
      new StackAuth({ projectId: `other-${n}` });
    }
    const { signal } = new AbortController();
    await client.verifyJwt('nonsense', { signal }).catch(() => {});
    expect(client.stats().rejections).toEqual({ ERR_JWS_INVALID: 1 });
  });

  test('keeps its own date where a call has a signal', async () => {
    const client = new StackAuth({ ...standIn.options, currentDate: new Date('2100-01-01') });
    for (let round = 0; round < 3; round += 1) {
      const { signal } = new AbortController();
      for (const options of [{ signal }, { clockTolerance: 1 }, { clockTolerance: 1, signal }]) {
        await expect(client.verifyJwt(token, options)).rejects.toMatchObject({ claim: 'exp' });
      }
      const now = { currentDate: new Date() };
      await expect(client.verifyJwt(token, now)).resolves.toBeDefined();
    }
  });

  test('has options per call of its own', async () => {
    const [strict, lax] = [false, true].map(
      (allowAnonymous) => new StackAuth({ ...standIn.options, allowAnonymous }),
    ) as [StackAuth, StackAuth];
    const anonymous = await standIn.mint({ type: 'anonymous' });
    for (let round = 0; round < 3; round += 1) {
      const same = { clockTolerance: 1 };
      await expect(lax.verifyJwt(anonymous, same)).resolves.toBeDefined();
      await expect(strict.verifyJwt(anonymous, same)).rejects.toMatchObject({ status: 403 });
    }
  });
});

test('the environment counts as it is at the call, for getUser as well', async () => {
  standIn.users.set('5c2f6e0a-3d1b-4b7e-9a8c-0f1e2d3c4b5a', userOf());
  const options = { projectId: standIn.projectId, baseUrl: standIn.url };
  const keys = [
    ['ssk_a', 'pck_a'],
    [standIn.secretServerKey, 'pck_a'],
    [standIn.secretServerKey, 'pck_b'],
  ] as const;
  for (const [secret, publishable] of keys) {
    vi.stubEnv('STACK_SECRET_SERVER_KEY', secret);
    vi.stubEnv('STACK_PUBLISHABLE_CLIENT_KEY', publishable);
    await getUser(token, options).catch(() => {});
    const { headers } = standIn.requests.at(-1)!;
    expect(headers['x-stack-secret-server-key']).toBe(secret);
    expect(headers['x-stack-publishable-client-key']).toBe(publishable);
  }
  for (const [variable, wrong, option] of [
    ['STACK_API_URL', 'nonsense', 'baseUrl'],
    ['STACK_PROJECT_ID', 'a/b', 'projectId'],
  ] as const) {
    vi.stubEnv(variable, { baseUrl: standIn.url, projectId: standIn.projectId }[option]);
    const others = { ...standIn.options, [option]: undefined };
    await getUser(token, others);
    vi.stubEnv(variable, wrong);
    await expect(getUser(token, others)).rejects.toMatchObject({ code: 'ERR_CONFIG' });
    vi.unstubAllEnvs();
  }
});
