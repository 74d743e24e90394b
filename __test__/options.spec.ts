import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { StackAuth, StackAuthError, verifyJwt } from '../index.js';
import { refusalsOf } from './support/refusals.ts';
import { StandIn } from './support/stand-in.js';

let standIn: StandIn;
let token: string;

beforeAll(async () => {
  standIn = await StandIn.start();
  token = await standIn.mint();
});
afterAll(() => standIn.close());
afterEach(() => vi.unstubAllEnvs());

const refuses = refusalsOf(() => token);

describe('options', () => {
  test('have known names only', async () => {
    await refuses({ ...standIn.options, projectID: 'x' }, 'unknown option "projectID"; known are');
    await refuses({ ...standIn.options, allowAnonymus: false }, 'unknown option "allowAnonymus"');
    await refuses(JSON.parse('{"__proto__": {}, "projectId": "p"}'), 'unknown option "__proto__"');
    await refuses({ ...standIn.options, constructor: 1 }, 'unknown option "constructor"');
  });

  test.each([
    [{ projectId: 5 }, 'projectId must be a string, found number'],
    [{ projectId: null }, 'projectId must be a string, found null'],
    [{ projectId: '' }, 'found 0 characters'],
    [{ projectId: 'a/b' }, "found '/'"],
    [{ projectId: 'a'.repeat(65) }, 'found 65 characters'],
    [{ secretServerKey: 'a\nb' }, 'secretServerKey must be visible ASCII'],
    [{ publishableClientKey: 'é' }, 'publishableClientKey must be visible ASCII'],
    [{ accessType: 'admin' }, 'accessType must be "server" or "client", found another string'],
    [{ baseUrl: 'nonsense' }, 'baseUrl must be an http'],
    [{ baseUrl: 'ftp://example.com' }, 'baseUrl must be http'],
    [{ baseUrl: 'http://example.com' }, 'allowInsecureHttp'],
    [{ baseUrl: 'https://a:b@example.com' }, 'user name or password'],
    [{ baseUrl: 'https://example.com?x=1' }, 'query or a fragment'],
    [{ issuerBaseUrls: 'https://example.com' }, 'must be an array of strings, found string'],
    [{ issuerBaseUrls: ['https://example.com', 1] }, 'must be an array of strings, found an array'],
    [{ issuerBaseUrls: ['nonsense'] }, 'issuerBaseUrls must be'],
    [{ issuerBaseUrls: new Array(2) }, 'must be an array of strings, found an array'],
    [{ issuerBaseUrls: { every: () => true } }, 'must be an array of strings, found object'],
    [{ allowAnonymous: 'no' }, 'allowAnonymous must be a boolean, found string'],
    [{ allowRestricted: 0 }, 'allowRestricted must be a boolean, found number'],
    [{ clockTolerance: '5s' }, 'clockTolerance must be a number'],
    [{ clockTolerance: -1 }, 'clockTolerance must be a finite number of at least 0, found -1'],
    [{ currentDate: Date.now() }, 'currentDate must be a valid Date, found number'],
    [{ currentDate: new Date(Number.NaN) }, 'currentDate must be a valid Date, found a Date'],
    [{ timeout: 0 }, 'timeout must be at least 1 ms'],
    [{ timeout: Number.NaN }, 'timeout must be a finite number'],
    [{ timeout: Number.POSITIVE_INFINITY }, 'timeout must be a finite number'],
    [{ timeout: 2 ** 31 }, 'timeout must be at most'],
    [{ signal: {} }, 'signal must be an AbortSignal, found object'],
    [{ signal: { aborted: false, addEventListener() {} } }, 'signal must be an AbortSignal'],
    [{ signal: { aborted: false, removeEventListener() {} } }, 'signal must be an AbortSignal'],
    [{ signal: new EventTarget() }, 'signal must be an AbortSignal'],
    [{ cacheMaxAge: -1 }, 'cacheMaxAge must be'],
    [{ staleIfError: '1' }, 'staleIfError must be a number'],
    [{ maxAge: -0.5 }, 'maxAge must be'],
    [{ keys: { keys: [] } }, 'keys must be what exportKeys'],
    [{ keys: { jwks: null, uat: 1 } }, 'keys must be what exportKeys'],
    [{ keys: { jwks: '{"keys":[]}', uat: 1 } }, 'keys must be what exportKeys'],
    [{ keys: { jwks: { keys: [] } } }, 'keys must be what exportKeys'],
    [{ keys: { jwks: { keys: [] }, uat: Number.NaN } }, 'keys must be what exportKeys'],
    [{ keys: { jwks: {}, uat: 1 } }, 'keys.jwks is malformed'],
  ])('of a wrong type or value are refused: %o', async (options, message) => {
    await refuses({ ...standIn.options, ...options }, message);
  });

  test.each([null, 'p', 5, [], () => {}])('are an object: %o', async (options) => {
    await refuses(options, 'options must be a plain object');
  });

  test.each<[string, (options: any) => any]>([
    ['a client', (options) => new StackAuth(options)],
    ['a promise', (options) => Promise.resolve(options)],
    ['a map', (options) => new Map(Object.entries(options))],
    ['a date', () => new Date()],
    ['an heir', (options) => Object.create(options)],
  ])('are not %s, which would leave the environment to decide', async (_what, make) => {
    vi.stubEnv('STACK_PROJECT_ID', standIn.projectId);
    vi.stubEnv('STACK_API_URL', standIn.url);
    // Nor if what was verified before had no options of its own.
    await verifyJwt(token);
    await refuses(make(standIn.options), 'options must be a plain object');
    for (const nothing of [undefined, {}, Object.create(null), runInNewContext('({})')]) {
      await expect(verifyJwt(token, nothing)).resolves.toBeDefined();
    }
  });

  test('that cannot be read are refused, with the cause', async () => {
    const boom = new Error('boom');
    await verifyJwt(token, standIn.options);
    const options = Object.defineProperty({}, 'projectId', {
      enumerable: true,
      get: () => {
        throw boom;
      },
    });
    await expect(verifyJwt(token, options)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      cause: boom,
    });
  });

  test('of undefined count as left out', async () => {
    const options = { ...standIn.options, timeout: undefined, signal: undefined };
    await expect(verifyJwt(token, options)).resolves.toBeDefined();
  });

  test.each([true, false])(
    'are own members: a polluted prototype switches nothing off (enumerable: %s)',
    async (enumerable) => {
      const fresh = await StandIn.start();
      const anonymous = await fresh.mint({ type: 'anonymous' });
      const { options } = fresh;
      await verifyJwt(anonymous, { ...options, allowAnonymous: true });
      const pollution = { value: true, configurable: true, writable: true, enumerable };
      Object.defineProperty(Object.prototype, 'allowAnonymous', pollution);
      const outcomes = await Promise.allSettled([
        verifyJwt(anonymous, options),
        new StackAuth({ ...options, timeout: 4_000 }).verifyJwt(anonymous),
      ]).finally(() => Reflect.deleteProperty(Object.prototype, 'allowAnonymous'));
      await fresh.close();
      const refused = { status: 'rejected', reason: { code: 'ERR_USER_TYPE_NOT_ALLOWED' } };
      expect(outcomes).toMatchObject([refused, refused]);
    },
  );

  test('are read at each call, whatever has changed inside of them', async () => {
    const expired = await standIn.mint({ expiresIn: -60 });
    const options = { ...standIn.options, currentDate: new Date(Date.now() - 120_000) };
    await expect(verifyJwt(expired, options)).resolves.toBeDefined();
    options.currentDate.setTime(Date.now());
    await expect(verifyJwt(expired, options)).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' });

    const foreign = await standIn.mint({ base: 'https://elsewhere.example' });
    const further = { ...standIn.options, issuerBaseUrls: ['https://elsewhere.example'] };
    await expect(verifyJwt(foreign, further)).resolves.toBeDefined();
    further.issuerBaseUrls.length = 0;
    await expect(verifyJwt(foreign, further)).rejects.toMatchObject({ claim: 'iss' });
  });

  test('of the environment count as they are at the call', async () => {
    const { projectId, baseUrl } = standIn.options;
    vi.stubEnv('HEXCLAVE_API_URL', 'http://127.0.0.1:9');
    const wrong = verifyJwt(token, { projectId, timeout: 500 });
    await expect(wrong).rejects.toBeInstanceOf(StackAuthError);
    vi.stubEnv('HEXCLAVE_API_URL', baseUrl);
    await expect(verifyJwt(token, { projectId, timeout: 500 })).resolves.toBeDefined();
    vi.stubEnv('HEXCLAVE_PROJECT_ID', 'another');
    const given = { projectId: undefined, baseUrl };
    await expect(verifyJwt(token, given)).rejects.toBeInstanceOf(StackAuthError);
    vi.stubEnv('HEXCLAVE_PROJECT_ID', '');
    vi.stubEnv('NEXT_PUBLIC_HEXCLAVE_PROJECT_ID', projectId);
    await expect(verifyJwt(token, given)).resolves.toBeDefined();
  });

  test('are told apart, whatever a polluted prototype makes of them as JSON', async () => {
    const elsewhere = 'https://elsewhere.example';
    const foreign = await standIn.mint({ base: elsewhere });
    const verify = (base: string) =>
      verifyJwt(foreign, { ...standIn.options, issuerBaseUrls: [base] });
    Object.defineProperty(Array.prototype, 'toJSON', { value: () => 'a list', configurable: true });
    const outcomes = await Promise.allSettled([
      verify(elsewhere),
      verify('https://a.example'),
    ]).finally(() => Reflect.deleteProperty(Array.prototype, 'toJSON'));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  test('are read when they are given: a date that changes later changes nothing', async () => {
    const currentDate = new Date();
    const client = new StackAuth({ ...standIn.options, currentDate });
    const expired = await standIn.mint({ expiresIn: -10 });
    currentDate.setTime(Number.NaN);
    await expect(client.verifyJwt(expired)).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' });
    currentDate.setTime(0);
    await expect(client.verifyJwt(expired)).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' });
  });

  test('of keys that are no JSON are refused', async () => {
    const jwks: any = { keys: [] };
    jwks.keys.push(jwks);
    await refuses({ ...standIn.options, keys: { jwks, uat: 1 } }, 'keys.jwks must be JSON');
    const odd = { toJSON: () => undefined };
    await refuses({ ...standIn.options, keys: { jwks: odd, uat: 1 } }, 'keys.jwks is malformed');
  });

  test('are read at each call, whatever object they came in', async () => {
    const anonymous = await standIn.mint({ type: 'anonymous' });
    const options = { ...standIn.options, allowAnonymous: true, issuerBaseUrls: [] };
    await expect(verifyJwt(anonymous, options)).resolves.toBeDefined();
    options.allowAnonymous = false;
    await expect(verifyJwt(anonymous, options)).rejects.toMatchObject({ status: 403 });
  });

  test('may be of a class, with members of their own', async () => {
    class Config {
      projectId = standIn.options.projectId;
      baseUrl = standIn.options.baseUrl;
    }
    await expect(verifyJwt(token, new Config())).resolves.toBeDefined();
  });

  test('of a date are own members as well', async () => {
    const expired = await standIn.mint({ expiresIn: -60 });
    (Object.prototype as any).currentDate = Date.now() - 120_000;
    const options = { ...standIn.options, timeout: 4_500 };
    const outcomes = await Promise.allSettled([
      verifyJwt(expired, options),
      new StackAuth(options).verifyJwt(expired),
    ]).finally(() => Reflect.deleteProperty(Object.prototype, 'currentDate'));
    const refused = { status: 'rejected', reason: { code: 'ERR_JWT_EXPIRED' } };
    expect(outcomes).toMatchObject([refused, refused]);
  });

  test('take a base URL with a trailing slash', async () => {
    const options = { ...standIn.options, baseUrl: `${standIn.url}//` };
    await expect(verifyJwt(token, options)).resolves.toBeDefined();
  });

  test('never show a token that was put in the place of a name', async () => {
    const error = await verifyJwt(token, { [token]: true } as any).catch((error) => error);
    expect(error).toMatchObject({ code: 'ERR_CONFIG' });
    expect(error.message).not.toContain(token.slice(0, 20));
  });

  test('never show a key that was put in the wrong place', async () => {
    const key = 'ssk_hunter2_hunter2';
    for (const name of ['projectId', 'accessType', 'baseUrl', 'issuerBaseUrls', 'allowAnonymous']) {
      const error = await verifyJwt(token, { ...standIn.options, [name]: key }).catch((e) => e);
      expect(error).toBeInstanceOf(StackAuthError);
      expect(inspect(error, { depth: 9 })).not.toContain('hunter2');
    }
  });
});

describe('a client', () => {
  test('takes options per call, which count over its own', async () => {
    const anonymous = await standIn.mint({ type: 'anonymous' });
    const client = new StackAuth(standIn.options);
    await expect(client.verifyJwt(anonymous)).rejects.toMatchObject({ status: 403 });
    await expect(client.verifyJwt(anonymous, { allowAnonymous: true })).resolves.toBeDefined();
    await expect(client.verifyJwt(anonymous)).rejects.toMatchObject({ status: 403 });
    const past = { currentDate: new Date(Date.now() + 3_600_000) };
    await expect(client.verifyJwt(token, past)).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' });
    const slip = { allowAnonymos: true } as object;
    await expect(client.verifyJwt(token, slip)).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  });

  test.each([null, false, 0, '', []])('takes no %o in place of options per call', async (wrong) => {
    const client = new StackAuth(standIn.options);
    const message = expect.stringContaining('options must be a plain object');
    for (const method of ['verifyJwt', 'getUser'] as const) {
      const made = client[method](token, wrong as object);
      await expect(made).rejects.toMatchObject({ code: 'ERR_CONFIG', message });
    }
  });

  test('takes options per call for that call alone, not for others that have some', async () => {
    const anonymous = await standIn.mint({ type: 'anonymous' });
    const client = new StackAuth(standIn.options);
    const lax = { allowAnonymous: true, currentDate: new Date(0) };
    await expect(client.verifyJwt(anonymous, lax)).resolves.toBeDefined();
    for (const others of [{ clockTolerance: 1 }, { signal: new AbortController().signal }]) {
      await expect(client.verifyJwt(anonymous, others)).rejects.toMatchObject({ status: 403 });
    }
    const aborted = client.verifyJwt(token, { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
    const later = { currentDate: new Date('2100-01-01') };
    await expect(client.verifyJwt(token, later)).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' });
    await expect(client.verifyJwt(token, { clockTolerance: 1 })).resolves.toBeDefined();
  });

  test('holds a date and a signal as well', async () => {
    const later = new StackAuth({ ...standIn.options, currentDate: new Date('2100-01-01') });
    await expect(later.verifyJwt(token)).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' });
    const aborted = new StackAuth({ ...standIn.options, signal: AbortSignal.abort() });
    await expect(aborted.verifyJwt(token)).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('says so if a method was called without it', async () => {
    const { verifyJwt, getUser, warmUp, stats, exportKeys } = new StackAuth(standIn.options);
    const misuse = { code: 'ERR_CONFIG', message: expect.stringContaining('without its client') };
    for (const call of [() => verifyJwt(token), () => getUser(token), () => warmUp()]) {
      await expect(call()).rejects.toMatchObject(misuse);
    }
    for (const call of [stats, exportKeys, stats.bind({} as StackAuth)]) {
      expect(call).toThrow(expect.objectContaining(misuse));
    }
  });

  test('has methods that can be handed on', async () => {
    const client = new StackAuth(standIn.options);
    const { verifyJwt } = { verifyJwt: client.verifyJwt.bind(client) };
    await expect(verifyJwt(token)).resolves.toBeDefined();
  });
});
