import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, test, vi } from 'vitest';

import { StackAuth, verifyJwt } from '../index.js';
import { answerKeys, expiryOf, startIssuer, USER_ID } from './support/cache-issuer.js';
import { peek } from './support/differential/peek.js';
import { type StandIn, sendJson } from './support/stand-in.js';
import { base64url, newSigner, type Signer, sign } from './support/tokens.js';

/** Often enough for every way through the cache: new, remembered, and parsed on this thread. */
async function often<T>(call: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let time = 0; time < 4; time += 1) {
    results.push(await call());
  }
  return results;
}

const headerOf = ({ jwk }: Signer) => ({ alg: 'ES256', kid: jwk.kid });
const keysOf = (...signers: Signer[]) => ({
  jwks: { keys: signers.map(({ jwk }) => ({ ...jwk })) },
  uat: Date.now(),
});

/** As few as will do, for a minute. */
const claimsOf = ({ url, projectId }: StandIn) => ({
  iss: `${url}/api/v1/projects/${projectId}`,
  aud: projectId,
  sub: 's',
  exp: Math.floor(Date.now() / 1_000) + 60,
});

/** The same as JSON, after members that are JSON text. */
const jsonOf = (members: string, issuer: StandIn) =>
  `{${members},${JSON.stringify(claimsOf(issuer)).slice(1)}`;

describe('a remembered token', () => {
  test('has the same payload each time, in an object of its own', async () => {
    const issuer = await startIssuer();
    const claims = { nested: { list: [1, { deep: null }] }, text: '\u2028é', big: 2 ** 60 };
    const token = await issuer.mint({ type: 'anonymous', claims });
    const options = { ...issuer.options, allowAnonymous: true };
    const [first, ...others] = await often(() => verifyJwt(token, options));
    for (const other of others) {
      expect(other).toEqual(first);
      expect(Object.keys(other.payload)).toEqual(Object.keys(first!.payload));
      other.payload.sub = 'mallory';
      (other.payload as any).nested.list[1].deep = 'changed';
      (other.payload.restricted_reason as any).type = 'changed';
      other.protectedHeader.kid = 'changed';
    }
    expect(await verifyJwt(token, options)).toEqual(first);
  });

  test.each([
    ['numbers that JSON.stringify would lose', '[1e999,-0]'],
    ['deep nesting', `${'['.repeat(3_000)}${']'.repeat(3_000)}`],
    ['flat numbers', '-0'],
  ])('hands out what was signed: %s', async (_, odd) => {
    const issuer = await startIssuer();
    const key = newSigner('k');
    const json = jsonOf(`"odd":${odd}`, issuer);
    const token = sign(headerOf(key), json, key);
    const options = { ...issuer.options, keys: keysOf(key) };
    for (const { payload } of await often(() => verifyJwt(token, options))) {
      // As text where it is too deep to be walked, and as values where text would lose them.
      const seen = odd.length > 100 ? JSON.stringify : (value: unknown) => value;
      expect(seen(payload)).toStrictEqual(seen(JSON.parse(json)));
    }
  });

  test('has nothing of the one before it, where the two differ', async () => {
    const issuer = await startIssuer();
    const key = newSigner('k');
    const client = new StackAuth({ ...issuer.options, keys: keysOf(key) });
    for (const odd of ['0', '-0', '""', '"same"', 'false', 'null', '"0"', '"same"', '0']) {
      const json = jsonOf(`"odd":${odd},"text":"same"`, issuer);
      const token = sign(headerOf(key), json, key);
      for (const { payload } of await often(() => client.verifyJwt(token))) {
        expect(payload).toStrictEqual(JSON.parse(json));
      }
    }
  });

  test('has the header of its own, where it differs from the one before', async () => {
    const issuer = await startIssuer();
    const [one, other] = [newSigner('one'), newSigner('other')];
    const client = new StackAuth({ ...issuer.options, keys: keysOf(one, other) });
    for (const [signer, more] of [
      [one, {}],
      [other, {}],
      [one, { n: 1, m: 0 }],
      [one, { n: '1', m: 0 }],
      [one, { m: 0, n: '1' }],
      [one, { nested: { list: [1] } }],
    ] as const) {
      const header = { ...headerOf(signer), ...more };
      const token = sign(header, claimsOf(issuer), signer);
      for (const { protectedHeader } of await often(() => client.verifyJwt(token))) {
        expect(Object.entries(protectedHeader)).toEqual(Object.entries(header));
        (protectedHeader.nested as any)?.list.push(2);
      }
    }
  });

  test('is judged by the time of the call, also where nothing is kept of its payload', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint({ expiresIn: -60 });
    const currentDate = new Date(Date.now() - 120_000);
    const client = new StackAuth(issuer.options);
    const { Templates } = createRequire(import.meta.url)('../lib/templates.js');
    const copy = vi.spyOn(Templates.prototype, 'copy').mockReturnValue(undefined);
    for (const { payload } of await often(() => client.verifyJwt(token, { currentDate }))) {
      expect(payload.iss).toContain(issuer.url);
    }
    expect(copy).toHaveBeenCalled();
    copy.mockRestore();
  });

  test('is not parsed again, and neither are all others that are remembered', async () => {
    const issuer = await startIssuer();
    const client = new StackAuth({ ...issuer.options, tokenCacheBytes: 512 * 1_024 });
    const tokens: string[] = [];
    while (client.stats().tokenCache.bytes < 300 * 1_024) {
      const token = await issuer.mint({ claims: { sub: `user-${tokens.length}` } });
      await often(() => client.verifyJwt(token));
      tokens.push(token);
    }
    const parse = vi.spyOn(JSON, 'parse');
    // The cache has parts, and signatures are random, so one part may be full before the others.
    let forgotten = 0;
    for (const [at, token] of tokens.entries()) {
      const before = client.stats().verifications.new;
      parse.mockClear();
      expect((await client.verifyJwt(token)).payload.sub).toBe(`user-${at}`);
      if (client.stats().verifications.new > before) {
        forgotten += 1;
      } else {
        expect(parse).not.toHaveBeenCalled();
      }
    }
    parse.mockRestore();
    expect(forgotten).toBeLessThan(tokens.length / 10);
  });

  test.each(['{"a":1}', 'null', '"x"'])('may have a claim called __proto__: %s', async (odd) => {
    const issuer = await startIssuer();
    const key = newSigner('k');
    const claims = jsonOf(`"__proto__":${odd}`, issuer);
    const token = sign(headerOf(key), claims, key);
    const options = { ...issuer.options, keys: keysOf(key) };
    for (const { payload } of await often(() => verifyJwt(token, options))) {
      expect(Object.keys(payload)).toContain('__proto__');
      expect(Object.getPrototypeOf(payload)).toBe(Object.prototype);
      expect(JSON.stringify(payload)).toBe(claims);
    }
  });

  test('expires, without an iat as well', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint({ expiresIn: 4, claims: { iat: undefined } });
    await often(() => verifyJwt(token, issuer.options));
    const later = { ...issuer.options, currentDate: new Date(Date.now() + 60_000) };
    await expect(verifyJwt(token, later)).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' });
    await expiryOf(token);
    await expect(verifyJwt(token, issuer.options)).rejects.toMatchObject({
      code: 'ERR_JWT_EXPIRED',
    });
  });

  test('is refused once its key is withdrawn', async () => {
    const issuer = await startIssuer();
    const options = { ...issuer.options, cacheMaxAge: 300 };
    const token = await issuer.mint();
    await often(() => verifyJwt(token, options));
    issuer.rotate({ withdraw: true });
    await sleep(350);
    await verifyJwt(await issuer.mint(), options);
    await expect(verifyJwt(token, options)).rejects.toMatchObject({
      code: 'ERR_JWKS_NO_MATCHING_KEY',
    });
  });

  test('counts, and is not checked again, by keys that have to be waited for', async () => {
    const issuer = await startIssuer();
    const client = new StackAuth({ ...issuer.options, cacheMaxAge: 1_000 });
    const token = await issuer.mint();
    await client.verifyJwt(token);
    await sleep(1_010);
    const fetches = issuer.jwksRequests;
    const { payload } = await client.verifyJwt(token);
    expect(payload.sub).toBe(USER_ID);
    expect(issuer.jwksRequests).toBe(fetches + 1);
    expect(client.stats().verifications).toMatchObject({ remembered: 1, new: 1 });
  });

  test('is refused by such keys, if another has taken its kid', async () => {
    const issuer = await startIssuer();
    const [one, other] = [newSigner('same'), newSigner('same')];
    const token = sign(headerOf(one), claimsOf(issuer), one);
    const options = { ...issuer.options, cacheMaxAge: 1_000, keys: keysOf(one) };
    const client = new StackAuth(options);
    await client.verifyJwt(token);
    answerKeys(issuer, (_request, response) => sendJson(response, 200, keysOf(other).jwks));
    await sleep(1_010);
    await expect(client.verifyJwt(token)).rejects.toMatchObject({
      code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    });
  });

  test('is refused if another key has taken its kid', async () => {
    const issuer = await startIssuer();
    const [one, other] = [newSigner('same'), newSigner('same')];
    const token = sign(headerOf(one), claimsOf(issuer), one);
    const withKey = (signer: Signer, uat: number) => ({
      ...issuer.options,
      keys: { ...keysOf(signer), uat },
    });
    const uat = Date.now() - 1_000;
    await often(() => verifyJwt(token, withKey(one, uat)));
    await expect(verifyJwt(token, withKey(other, uat + 500))).rejects.toMatchObject({
      code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    });
  });

  test('is nothing to another project, issuer or option', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint({ type: 'anonymous' });
    const anonymous = { ...issuer.options, allowAnonymous: true };
    await often(() => verifyJwt(token, anonymous));
    await expect(verifyJwt(token, issuer.options)).rejects.toMatchObject({ status: 403 });
    await expect(verifyJwt(token, { ...anonymous, projectId: 'another' })).rejects.toMatchObject({
      code: 'ERR_CONFIG',
    });
    const other = await startIssuer();
    other.projectId = issuer.projectId;
    await expect(verifyJwt(token, { ...anonymous, baseUrl: other.url })).rejects.toMatchObject({
      code: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
      claim: 'iss',
    });
    const late = { ...anonymous, currentDate: new Date(0) };
    await expect(verifyJwt(token, late)).resolves.toBeDefined();
    await expect(verifyJwt(token, anonymous)).resolves.toBeDefined();
  });

  test('is refused for its user type, even where every address has the keys of all types', async () => {
    const issuer = await startIssuer();
    const keys = await issuer.keySet(new URLSearchParams({ include_anonymous: 'true' }));
    answerKeys(issuer, (_request, response) => sendJson(response, 200, keys));
    const token = await issuer.mint({ type: 'anonymous' });
    await verifyJwt(await issuer.mint(), issuer.options);
    await often(() => verifyJwt(token, { ...issuer.options, allowAnonymous: true }));
    await expect(verifyJwt(token, issuer.options)).rejects.toMatchObject({
      code: 'ERR_USER_TYPE_NOT_ALLOWED',
      status: 403,
    });
  });

  test('is another token if a byte of it is another', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await often(() => verifyJwt(token, issuer.options));
    const [header, , signature] = token.split('.');
    for (let at = 0; at < token.length; at += 7) {
      const changed = token[at] === 'A' ? 'B' : 'A';
      const text = token.slice(0, at) + changed + token.slice(at + 1);
      await expect(verifyJwt(text, issuer.options), `at ${at}`).rejects.toMatchObject({
        status: 401,
      });
    }
    const forged = `${header}.${base64url({ ...peek(token).claims, sub: 'mallory' })}.${signature}`;
    for (const error of await often(() => verifyJwt(forged, issuer.options).catch((e) => e))) {
      expect(error.code).toBe('ERR_JWS_SIGNATURE_VERIFICATION_FAILED');
    }
  });

  test('counts while the issuer is down', async () => {
    const issuer = await startIssuer();
    const options = { ...issuer.options, cacheMaxAge: 100 };
    const token = await issuer.mint();
    await often(() => verifyJwt(token, options));
    issuer.intercept = (_, response) => response.writeHead(500).end();
    await sleep(120);
    await often(() => verifyJwt(token, options));
    const closed = { ...options, staleIfError: 0 };
    await expect(verifyJwt(token, closed)).rejects.toMatchObject({ status: 503 });
  });
});

describe('tokenCacheBytes', () => {
  test('of 0 remembers nothing, and all is as before', async () => {
    const issuer = await startIssuer();
    const client = new StackAuth({ ...issuer.options, tokenCacheBytes: 0 });
    const token = await issuer.mint();
    const [first, ...others] = await often(() => client.verifyJwt(token));
    for (const other of others) {
      expect(other).toEqual(first);
    }
  });

  test('is a bound: many more tokens than fit in are verified all the same', async () => {
    const issuer = await startIssuer();
    const client = new StackAuth({ ...issuer.options, tokenCacheBytes: 20_000 });
    const tokens = await Promise.all(
      Array.from({ length: 100 }, (_, n) => issuer.mint({ claims: { n } })),
    );
    for (let round = 0; round < 3; round += 1) {
      const results = await Promise.all(tokens.map((token) => client.verifyJwt(token)));
      expect(results.map(({ payload }) => payload.n)).toEqual(tokens.map((_, n) => n));
    }
  });

  test('is a bound of what a thread keeps besides, too', () => {
    const { Templates } = createRequire(import.meta.url)('../lib/templates.js');
    const of = vi.spyOn(Templates, 'of');
    new StackAuth({ projectId: 'p', tokenCacheBytes: 54_321 });
    const [kept] = of.mock.results;
    of.mockRestore();
    expect(kept?.value).toBe(Templates.of(54_321));
  });

  test('is a bound under 200,000 tokens', { timeout: 300_000 }, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--expose-gc',
      path.join(import.meta.dirname, 'support/eviction-process.js'),
    ]);
    const { wrong, grown } = JSON.parse(stdout);
    expect(wrong).toBe(0);
    expect(grown).toBeLessThan(1.5);
  });

  test.each([-1, Number.NaN, 1e15, '1'])('of %s is refused', (tokenCacheBytes) => {
    const options = { projectId: 'p', tokenCacheBytes } as object;
    expect(() => new StackAuth(options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
  });
});
