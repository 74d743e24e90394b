import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { StackAuth, type VerifiedJwt } from '../index.js';
import { startIssuer } from './support/cache-issuer.js';
import { newSigner, serve, sign } from './support/tokens.js';

const { Batch, NativeClient } = createRequire(import.meta.url)('../binding.js');

const ORIGIN = 'https://auth.example.com';
const PROJECT = 'verified-spec';
const exp = Math.floor(Date.now() / 1_000) + 3_600;
const signer = newSigner('k');
const options = {
  projectId: PROJECT,
  baseUrl: ORIGIN,
  keys: { jwks: { keys: [{ ...signer.jwk }] }, uat: Date.now() },
};

/** Name and value, as JSON text. */
type Member = [name: string, value: string];

/** The claims that Stack Auth's tokens have, in their order. */
const usual = (base = ORIGIN, projectId = PROJECT): Member[] => [
  ['"sub"', '"s"'],
  ['"project_id"', '"p"'],
  ['"branch_id"', '"main"'],
  ['"refresh_token_id"', '"r"'],
  ['"role"', '"authenticated"'],
  ['"name"', '"Ada"'],
  ['"email"', 'null'],
  ['"email_verified"', 'true'],
  ['"selected_team_id"', 'null'],
  ['"signed_up_at"', '1760000000'],
  ['"is_anonymous"', 'false'],
  ['"is_restricted"', 'false'],
  ['"restricted_reason"', 'null'],
  ['"requires_totp_mfa"', 'false'],
  ['"iss"', `"${base}/api/v1/projects/${projectId}"`],
  ['"iat"', String(exp - 3_600)],
  ['"aud"', `"${projectId}"`],
  ['"exp"', String(exp)],
];
/** Those whose values nothing checks. */
const FREE = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13];

const value = fc.oneof(
  fc.json(),
  fc.constantFrom(
    ...['1e999', '-0', '1.0', '12345678901234567890', '"\\ud800"', '"\\u0000\\u2028"', '"é😀"'],
    ...['{"a":[{"__proto__":1}]}', '[]', '["ES256","k"]', '"\\""', '"]"', '","', '{"":[[]]}'],
  ),
);

/** What a payload may be but for its values. */
const SHAPES: Record<string, (members: Member[], at: number) => Member[]> = {
  usual: (members) => members,
  'in another order': (members, at) => [...members.slice(at), ...members.slice(0, at)],
  'one less': (members, at) => members.filter((_, other) => other !== FREE[at % FREE.length]),
  'one more': (members, at) => members.toSpliced(at, 0, ['"__proto__"', '{"admin":true}']),
  'one more at the end': (members) => [...members, ['"0"', '1']],
  nbf: (members) => [...members, ['"nbf"', '0']],
  'one of them twice': (members, at) => members.toSpliced(at, 0, members[at]!),
  'one of them before as well': (members, at) => [[members[at]![0], '["another"]'], ...members],
  'one with an escape in its name': (members, at) =>
    members.with(at, [members[at]![0].replace(/[a-z]/, escaped), members[at]![1]]),
  'one of another name': (members, at) =>
    members.with(FREE[at % FREE.length]!, ['"\\ud800"', members[at]![1]]),
};
const HEADERS = [
  '{"alg":"ES256","kid":"k"}',
  ' {\n"alg" :\t"ES256", "kid":"\\u006b" }',
  '{"kid":"k","alg":"ES256"}',
  '{"alg":"ES256","kid":"k","typ":"JWT"}',
  '{"alg":"ES256","kid":"k","__proto__":{"crit":["x"]}}',
  '{"alg":"ES256"}',
];

function escaped(letter: string) {
  return `\\u00${letter.charCodeAt(0).toString(16)}`;
}

function object(members: Member[], space = '') {
  const texts = members.map(([name, text]) => `${space}${name}${space}:${space}${text}${space}`);
  return `{${texts.join(',')}}`;
}

/** A token's own words, in its order, in objects of their own. */
function isTold({ payload, protectedHeader }: VerifiedJwt, header: string, text: string) {
  for (const [told, said] of [[payload, text] as const, [protectedHeader, header] as const]) {
    expect(told).toStrictEqual(JSON.parse(said));
    expect(JSON.stringify(told)).toBe(JSON.stringify(JSON.parse(said)));
    expect(Object.getPrototypeOf(told)).toBe(Object.prototype);
    for (const name of Object.keys(told)) {
      (told as any)[name] = 'changed';
    }
  }
}

describe.each(Object.entries(SHAPES))('of a payload that is %s', (_name, shape) => {
  test('each member is told as it was signed, whichever way it took', async () => {
    const client = new StackAuth(options);
    const claims = usual();
    const payload = fc
      .tuple(fc.nat(claims.length - 1), fc.array(fc.tuple(fc.constantFrom(...FREE), value)))
      .map(([at, values]) => {
        const all = values.reduce(
          (members, [place, text]) => members.with(place, [members[place]![0], text]),
          claims,
        );
        return shape(all, at);
      });
    await fc.assert(
      fc.asyncProperty(
        payload,
        fc.constantFrom(...HEADERS),
        fc.constantFrom('', ' ', '\n'),
        async (members, header, space) => {
          const text = object(members, space);
          const token = sign(header, text, signer);
          // New, then parsed on this thread, then copied.
          for (let time = 0; time < 4; time += 1) {
            isTold(await client.verifyJwt(token), header, text);
          }
          // On other threads, but for the first.
          const others = [1, 2, 3].map(() => sign(header, text, signer));
          for (const told of await Promise.all(others.map((it) => client.verifyJwt(it)))) {
            isTold(told, header, text);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('the same where keys had to be waited for', async () => {
    const issuer = await startIssuer();
    serve(issuer, [signer.jwk]);
    const text = object(shape(usual(issuer.url, issuer.projectId), 3));
    const token = sign(HEADERS[0]!, text, signer);
    const client = new StackAuth(issuer.options);
    isTold(await client.verifyJwt(token), HEADERS[0]!, text);
  });
});

test('a polluted Array.prototype has no part in it', async () => {
  const issuer = await startIssuer();
  serve(issuer, [signer.jwk]);
  const text = object(usual(issuer.url, issuer.projectId));
  const client = new StackAuth(issuer.options);
  const then = (resolve: (value: unknown) => void) => resolve({ payload: { sub: 'mallory' } });
  Object.defineProperty(Array.prototype, 'then', { configurable: true, value: then });
  try {
    for (const count of [1, 1, 3]) {
      const tokens = Array.from({ length: count }, () => sign(HEADERS[0]!, text, signer));
      const calls = tokens.map((token) => client.verifyJwt(token));
      for (const call of calls) {
        isTold(await call, HEADERS[0]!, text);
      }
    }
  } finally {
    Reflect.deleteProperty(Array.prototype, 'then');
  }
});

test.each(['regular', 'restricted', 'anonymous'] as const)(
  'the names of the claims of a %s user are left out on the way from the native side',
  async (type) => {
    const issuer = await startIssuer();
    const all = await issuer.keySet(new URLSearchParams({ include_anonymous: 'true' }));
    const client = NativeClient.create({ ...issuer.options, allowAnonymous: true });
    client.importKeys({ jwks: JSON.stringify(all), uat: Date.now() });
    const told = new Batch().verifier()(client.number, await issuer.mint({ type }));
    expect(JSON.parse(told)).toHaveLength(2 + usual().length);
  },
);
