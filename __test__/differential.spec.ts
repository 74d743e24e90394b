import { createHmac, sign as createSignature } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import * as jose from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type VerifyJwtOptions, verifyJwt } from '../index.js';
import { StandIn } from './support/stand-in.js';
import {
  base64url,
  type Content,
  expectNothingOf,
  newSigner,
  type Signer,
  serve,
  sign,
  signEncoded,
  signersOf,
} from './support/tokens.js';

const SEED = Number(process.env.DIFFERENTIAL_SEED ?? 20_260_425);
const NOW = 1_800_000_000;
const currentDate = new Date(NOW * 1_000 + 999);
const MAX_TOKEN = 16 * 1_024;

/** An issuer and its keys, which both sides are asked with. */
interface World {
  standIn: StandIn;
  /** Has the first of the keys. */
  signer: Signer;
  keys: jose.JWK[];
  options: VerifyJwtOptions;
}

/** With the two keys that Stack Auth publishes. */
let published: World;
/** That one, one with a single key, and one with two keys of one kid. */
let worlds: World[];
/** With kids that are hard to tell apart once they are UTF-8. */
let surrogates: World;
/** Three good tokens, then an expired one and those of other user types. */
let pool: string[];

/** With new keys of these kids, in place of the two of Stack Auth's own. */
async function open(name: string, kids?: string[]): Promise<World> {
  const standIn = await StandIn.start();
  // Ports come again, so only its project keeps a stand-in's key cache apart.
  standIn.projectId = `differential-spec-${name}`;
  const signers = kids ? kids.map(newSigner) : await signersOf(standIn);
  const keys = signers.map(({ jwk }) => jwk);
  if (kids) {
    serve(standIn, keys);
  }
  const { projectId, url } = standIn;
  return { standIn, signer: signers[0]!, keys, options: { projectId, baseUrl: url, currentDate } };
}

beforeAll(async () => {
  published = await open('published');
  worlds = [
    published,
    await open('one-key', ['only']),
    await open('two-keys-one-kid', ['twin', 'twin', 'other']),
  ];
  surrogates = await open('surrogates', ['\ufffd\ufffd\ufffd', '\udbff']);

  const { standIn } = published;
  const [, second] = await signersOf(standIn);
  const claims = claimsOf(published);
  pool = [
    tokenOf(published),
    sign({ alg: 'ES256', kid: second!.jwk.kid }, claims, second!),
    tokenOf(published, { ...headerOf(published), typ: 'JWT' }, { ...claims, jti: 'xx' }),
    tokenOf(published, headerOf(published), { ...claims, exp: NOW - 1 }),
    await standIn.mint({ type: 'restricted' }),
    await standIn.mint({ type: 'anonymous' }),
    await standIn.mint({ projectId: 'another-project' }),
  ];
});
afterAll(() => Promise.all([...worlds, surrogates].map(({ standIn }) => standIn.close())));

function issuerOf({ standIn }: World, collection = 'projects') {
  return `${standIn.url}/api/v1/${collection}/${standIn.projectId}`;
}

function claimsOf(world: World) {
  return {
    sub: '5c2f6e0a-3d1b-4b7e-9a8c-0f1e2d3c4b5a',
    project_id: world.standIn.projectId,
    email: 'ada@example.com',
    is_anonymous: false,
    is_restricted: false,
    iss: issuerOf(world),
    iat: NOW - 60,
    aud: world.standIn.projectId,
    exp: NOW + 540,
  };
}

function headerOf({ signer }: World) {
  return { alg: 'ES256', kid: signer.jwk.kid };
}

function tokenOf(world: World, header: Content = headerOf(world), claims?: Content) {
  return sign(header, claims ?? claimsOf(world), world.signer);
}

/** What was verified; or why not, as `"<code> <claim> <reason>"`, without what there is none of. */
type Answer = { verified: { payload: any; protectedHeader: any } } | { refused: string };

async function answerOf(
  call: Promise<{ payload: any; protectedHeader: any }>,
): Promise<[Answer, error?: any]> {
  try {
    const { payload, protectedHeader } = await call;
    return [{ verified: { payload, protectedHeader } }];
  } catch (error: any) {
    const words = [error.code ?? error.name, error.claim, error.reason];
    return [{ refused: words.filter((word) => word !== undefined).join(' ') }, error];
  }
}

async function askUs(world: World, token: string): Promise<Answer> {
  const [answer, error] = await answerOf(verifyJwt(token, world.options));
  if (error) {
    expectNothingOf(token, error);
  }
  return answer;
}

const TWO_KEYS_ONE_KID =
  'of two keys with one kid, both are tried: jose leaves the loop to its caller';

async function askJose(world: World, token: string): Promise<Answer> {
  const options: jose.JWTVerifyOptions = {
    algorithms: ['ES256'],
    issuer: issuerOf(world),
    audience: world.standIn.projectId,
    requiredClaims: ['exp', 'sub'],
    currentDate,
  };
  const keySet = jose.createLocalJWKSet({ keys: world.keys });
  const [answer, error] = await answerOf(jose.jwtVerify(token, keySet, options));
  if (
    error?.code !== 'ERR_JWKS_MULTIPLE_MATCHING_KEYS' ||
    typeof peek(token).header.kid !== 'string'
  ) {
    return answer;
  }
  for await (const key of error) {
    const [answer, error] = await answerOf(jose.jwtVerify(token, key, options));
    if (error?.code !== 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED') {
      used.add(TWO_KEYS_ONE_KID);
      return answer;
    }
  }
  return { refused: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' };
}

/** What a lenient reader finds in a token, be it good or not. */
function peek(token: string): { header: any; claims: any } {
  const [header = {}, claims = {}] = token.split('.').map((part) => {
    try {
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(decode(part))) ?? {};
    } catch {
      return {};
    }
  });
  return { header, claims };
}

function decode(part: string) {
  return Buffer.from(part, 'base64url');
}

const FAILED = 'ERR_JWT_CLAIM_VALIDATION_FAILED';

function isStrict(token: string) {
  return token.split('.').every((part) => base64url(decode(part)) === part);
}

const INFINITE = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

function infiniteDates(claims: any) {
  return ['iat', 'nbf', 'exp'].filter((claim) => INFINITE.includes(claims[claim]));
}

/** Where jose accepts and we have to refuse: for one of the refusals, if there are any. */
const EXCEPTIONS: Array<{
  name: string;
  refusals: (token: string, claims: any, header: any) => string[];
}> = [
  {
    name: 'base64url is strict: jose lets padding, white space and stray bits pass',
    refusals: (token) => (isStrict(token) ? [] : ['ERR_JWS_INVALID']),
  },
  {
    name: 'a token has at most 16 KiB',
    refusals: (token) => (token.length > MAX_TOKEN ? ['ERR_JWS_INVALID'] : []),
  },
  {
    name: 'crit is refused: jose knows one extension, b64',
    refusals: (_token, _claims, { crit }) =>
      crit?.every((name: unknown) => name === 'b64') ? ['ERR_JOSE_NOT_SUPPORTED'] : [],
  },
  {
    name: 'sub is a string: jose takes any type',
    refusals: (_token, { sub }) => (typeof sub === 'string' ? [] : [`${FAILED} sub check_failed`]),
  },
  {
    name: 'iat, nbf and exp are finite: jose takes 1e999',
    refusals: (_token, claims) =>
      infiniteDates(claims).map((claim) => `${FAILED} ${claim} invalid`),
  },
  {
    name: 'is_anonymous and is_restricted agree with the audience: jose does not know them',
    refusals: (_token, claims) =>
      ['is_anonymous', 'is_restricted']
        .filter((flag) => Object.hasOwn(claims, flag) && claims[flag] !== false)
        .map((flag) => `${FAILED} ${flag} check_failed`),
  },
];

function ofOtherUserTypes(world: World) {
  const { projectId } = world.standIn;
  return [
    { iss: issuerOf(world, 'projects-restricted-users'), aud: `${projectId}:restricted` },
    { iss: issuerOf(world, 'projects-anonymous-users'), aud: `${projectId}:anon` },
  ];
}

/** Where both refuse, but not in the same words. */
const DISAGREEMENTS: Array<{
  name: string;
  ours: RegExp;
  theirs: RegExp;
  applies: (seen: { token: string; header: any; claims: any; world: World }) => boolean;
}> = [
  {
    name: 'each part must be base64url first: jose takes two of them up after the key, and leniently',
    ours: /^ERR_JWS_INVALID$/,
    theirs: /^ERR_(JWKS|JWS_SIGNATURE|JWT|JOSE)_/,
    applies: ({ token }) => !isStrict(token),
  },
  {
    name: 'a user type that is not allowed needs no key: jose goes on to the key, the signature and iss',
    ours: /^ERR_USER_TYPE_NOT_ALLOWED$/,
    theirs: /^ERR_(JWKS|JWS_SIGNATURE)_|^ERR_JWT_.* (iss check_failed|(sub|exp) missing)$/,
    applies: ({ claims, world }) =>
      ofOtherUserTypes(world).some(
        ({ iss, aud }) => claims.iss === iss && [claims.aud].flat().includes(aud),
      ),
  },
  {
    name: 'several keys and no kid: no key is meant, while jose leaves the choice to its caller',
    ours: /^ERR_JWKS_NO_MATCHING_KEY$/,
    theirs: /^ERR_JWKS_MULTIPLE_MATCHING_KEYS$/,
    applies: ({ header, world }) => header.kid === undefined && world.keys.length > 1,
  },
  {
    name: 'crit is refused as such: jose knows b64, looks for it, and goes on if it is there',
    ours: /^ERR_JOSE_NOT_SUPPORTED$/,
    theirs: /^ERR_/,
    applies: ({ header: { crit } }) => Array.isArray(crit) && crit[0] === 'b64',
  },
  {
    name: 'sub is judged with iss and aud: jose finds nothing, and then a fault in the times',
    ours: new RegExp(`^${FAILED} sub check_failed$`),
    theirs: /^ERR_JWT_.* (iat|nbf|exp) /,
    applies: ({ claims }) => typeof claims.sub !== 'string',
  },
  {
    name: 'an infinite time is no number: to jose it is one, before or after now',
    ours: new RegExp(`^${FAILED} (iat|nbf|exp) invalid$`),
    theirs: /^ERR_JWT_.* (nbf|exp) /,
    applies: ({ claims }) => infiniteDates(claims).length > 0,
  },
  {
    name: 'text with a lone surrogate counts as no text: to jose it is one, if never the right one',
    ours: /^ERR_(JWS_INVALID|JWKS_NO_MATCHING_KEY)$/,
    theirs: /^ERR_(JOSE_ALG_NOT_ALLOWED|JWS_SIGNATURE_VERIFICATION_FAILED)$/,
    applies: ({ header: { alg, kid } }) => /\p{Surrogate}/u.test(`${alg} ${kid}`),
  },
];

const used = new Set<string>();
const tally = { mutations: 0, accepted: 0, refused: 0, refusedByBoth: 0, sameCode: 0 };

/** What is wrong with our answer, if anything is. */
async function complaint(world: World, token: string): Promise<string | undefined> {
  const theirs = await askJose(world, token);
  const ours = await askUs(world, token);
  tally.mutations += 1;
  tally['verified' in ours ? 'accepted' : 'refused'] += 1;

  if ('refused' in theirs) {
    return 'refused' in ours
      ? complaintOfWords(world, token, ours.refused, theirs.refused)
      : `accepted; jose: ${theirs.refused}`;
  }
  const { payload, protectedHeader } = theirs.verified;
  const due = EXCEPTIONS.map(({ name, refusals }) => ({
    name,
    refusals: refusals(token, payload, protectedHeader),
  })).filter(({ refusals }) => refusals.length > 0);
  if ('verified' in ours) {
    if (due.length > 0) {
      return `accepted, against: ${due.map(({ name }) => name).join('; ')}`;
    }
    return isDeepStrictEqual(ours, theirs) ? undefined : 'accepted, with another content';
  }
  const exception = due.find(({ refusals }) => refusals.includes(ours.refused));
  if (!exception) {
    return `refused with ${ours.refused}; jose accepts`;
  }
  used.add(exception.name);
  return undefined;
}

function complaintOfWords(world: World, token: string, ours: string, theirs: string) {
  const [ourCode, theirCode] = [ours, theirs].map((words) => words.split(' ')[0]);
  tally.refusedByBoth += 1;
  tally.sameCode += Number(ourCode === theirCode);
  if (ours === theirs) {
    return undefined;
  }
  const seen = { token, world, ...peek(token) };
  const disagreement = DISAGREEMENTS.find(
    (listed) => listed.ours.test(ours) && listed.theirs.test(theirs) && listed.applies(seen),
  );
  if (!disagreement) {
    return `refused with ${ours}; jose: ${theirs}`;
  }
  used.add(disagreement.name);
  return undefined;
}

type Mutation = [what: string, world: World, token: string];

/** mulberry32 */
function randomOf(seed: number) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return { below, pick: <T>(list: readonly T[]) => list[below(list.length)] as T };
}
type Random = ReturnType<typeof randomOf>;

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** What stands between white space. */
function words(text: string) {
  return text.trim().split(/\s+/);
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const WHITE_SPACE = [...' \n\r\t\f'];
const ODD_TEXT = [
  ...words('= == + / . .. - _ A % ~ é 😀 {} ey'),
  ...WHITE_SPACE,
  ...['\v', '\0', '\r\n', '\u00a0', '\u2028', '\ufeff', '\ud800'],
];

function splice(text: string, at: number, remove: number, insert = '') {
  return text.slice(0, at) + insert + text.slice(at + remove);
}

function inOtherAlphabet(text: string) {
  return text.replaceAll('-', '+').replaceAll('_', '/');
}

const ofText: Record<string, (token: string, random: Random) => string> = {
  'a flipped bit': (token, { below }) => {
    const at = below(token.length);
    return splice(token, at, 1, String.fromCharCode(token.charCodeAt(at) ^ (1 << below(8))));
  },
  'another character': (token, { below, pick }) =>
    splice(token, below(token.length), 1, pick([...ALPHABET])),
  'two characters swapped': (token, { below }) => {
    const [a, b] = [below(token.length), below(token.length)];
    return splice(splice(token, a, 1, token[b]), b, 1, token[a]);
  },
  'two neighbours swapped': (token, { below }) => {
    const at = below(token.length - 1);
    return splice(token, at, 2, token.charAt(at + 1) + token.charAt(at));
  },
  'a shorter end': (token, { below, pick }) =>
    token.slice(0, -pick([1, 2, 3, 4, below(token.length)])),
  'a shorter start': (token, { below, pick }) => token.slice(pick([1, 2, 3, below(token.length)])),
  'a deletion': (token, { below }) => splice(token, below(token.length), 1 + below(3)),
  'an insertion': (token, { below, pick }) =>
    splice(token, below(token.length + 1), 0, pick(ODD_TEXT)),
  'an insertion at the edge of a part': (token, { pick }) => {
    const edges = [...token.matchAll(/\./g)].flatMap(({ index }) => [index, index + 1]);
    return splice(token, pick([0, ...edges, token.length]), 0, pick(ODD_TEXT));
  },
  'another last character of a part': (token, { below, pick }) =>
    withPart(token, below(3), (part) => part.slice(0, -1) + pick([...ALPHABET])),
  'the other alphabet': inOtherAlphabet,
  'another case': (token, { pick }) => pick([token.toUpperCase(), token.toLowerCase()]),
  'a part deleted': (token, { below }) => token.split('.').toSpliced(below(3), 1).join('.'),
  'a part emptied': (token, { below }) => withPart(token, below(3), () => ''),
  'a part twice': (token, { below, pick }) => {
    const parts = token.split('.');
    return parts.toSpliced(below(4), 0, pick(parts)).join('.');
  },
  'a part in place of another': (token, { below, pick }) =>
    withPart(token, below(3), () => pick(token.split('.'))),
  'parts in another order': (token, { pick }) => {
    const parts = token.split('.');
    return [...pick(['021', '102', '120', '201', '210'])].map((at) => parts[Number(at)]).join('.');
  },
  'a part of another token': (token, { below, pick }) => {
    const at = below(3);
    return withPart(token, at, () => pick(pool).split('.')[at]!);
  },
  'another token after it': (token, { pick }) => token + pick(['', '.', ' ', ',']) + pick(pool),
};

function withPart(token: string, at: number, change: (part: string) => string) {
  const parts = token.split('.');
  return parts.with(at, change(parts[at]!)).join('.');
}

function textMutations(random: Random): Mutation[] {
  return Object.entries(ofText).flatMap(([what, mutate]) =>
    times(90, (): Mutation => {
      const token = random.pick(random.below(3) > 0 ? pool.slice(0, 3) : pool);
      return [what, published, mutate(token, random)];
    }),
  );
}

/** Signed as they are spelt, so that nothing but the spelling is odd. */
function encodingMutations({ below, pick }: Random): Mutation[] {
  const spellings: Record<string, (part: string) => string> = {
    padding: (part) => part.padEnd(part.length + ((4 - (part.length % 4)) % 4 || 4), '='),
    'too little padding': (part) => `${part}=`,
    'white space': (part) => splice(part, below(part.length), 0, pick(WHITE_SPACE)),
    'stray bits': (part) => part.slice(0, -1) + ALPHABET[ALPHABET.indexOf(part.slice(-1)) ^ 1],
    'the other alphabet': inOtherAlphabet,
    'a foreign character': (part) => splice(part, below(part.length), 0, pick(ODD_TEXT)),
    'a character too many': (part) => `${part}A`,
  };
  return Object.entries(spellings).flatMap(([what, respell]) =>
    times(40, (): Mutation => {
      // One that has both - and _ and, with its parts of any length, stray bits as well.
      const filler = `ÿ>?ÿ>?${'x'.repeat(below(4))}`;
      const header = base64url({ ...headerOf(published), filler });
      const claims = base64url({ ...claimsOf(published), filler });
      const input = withPart(`${header}.${claims}`, below(2), respell);
      return [what, published, signEncoded(input, published.signer)];
    }),
  );
}

function sizeMutations(): Mutation[] {
  return worlds.flatMap((world) => {
    const sized = (filler: number): Mutation => {
      const claims = { ...claimsOf(world), filler: 'x'.repeat(filler) };
      const token = tokenOf(world, undefined, claims);
      return [`${token.length} characters`, world, token];
    };
    const atLimit = Math.floor(((MAX_TOKEN - sized(0)[2].length) * 3) / 4);
    return [1_000, 10_000, ...times(11, (index) => atLimit + index - 5), 20_000, 90_000].map(sized);
  });
}

/** A member of a JSON object as text: `['"exp"', '1e999']`. */
type Member = [name: string, value: string];

function membersOf(object: object): Member[] {
  return Object.entries(object).map(([name, value]) => [
    JSON.stringify(name),
    JSON.stringify(value),
  ]);
}

function jsonOf(members: Member[]) {
  return `{${members.map((member) => member.join(':')).join(',')}}`;
}

/** In place of the member of that name, if there is one. */
function withMember(members: Member[], name: string, value: string | undefined): Member[] {
  const others = members.filter(([other]) => other !== `"${name}"`);
  return value === undefined ? others : [...others, [`"${name}"`, value]];
}

/** As a JSON string with its first character escaped. */
function escaped(text: string) {
  return `"\\u${text.charCodeAt(0).toString(16).padStart(4, '0')}${text.slice(1)}"`;
}

/** Values that are JSON, if only just, and some that are not. */
const ODD_VALUES = [
  ...words('null true false 0 -0 -0.0 1.5 1e999 -1e999 1E+2 1e-400 12345678901234567890'),
  ...words('"" [] [null] {} [[],{}] {"a":1,"a":2} {"__proto__":1} "\u007f" "\ufdd0"'),
  ...words(String.raw`"\ud800" "\udfff\ud800" "\ud83d\ude00" "\/\b\f\n\r\t\\\"" "\u0000"`),
  ...['"\u2028"', '"\ufeff"', ' \r\n\t1 ', '['.repeat(500) + ']'.repeat(500)],
  `${'{"a":'.repeat(500)}1${'}'.repeat(500)}`,
  ...words('undefined NaN Infinity -Infinity - +1 01 -01 1. .5 -.5 1e 1e+ 0x1 1_000 1n ٣'),
  ...words(String.raw`'x' "x "\x41" "\u12" "\u{41}" "\'" "\" [1,] {"a":1,} [,1] {"a"} {a:1} {,}`),
  ...words('tru True nulll /**/1 1// 1} 1] [ { ] } , :'),
  ...['', '"\t"', '"\n"', '"\u0000"', '"\u001f"', '[1 2]', '\u00a01', '\v1', '\ufeff1'],
  '['.repeat(1_500),
];

const ODD_NAMES = [
  ...words(String.raw`"\ud800" "" "\q" "x x 'x' 1 null "x":1,"y" "x":1,`),
  ...['"x\n"', '"\u0000"', '"\u007f"', '\u00a0"x"', ' "x"\t'],
];

function withString(hex: string) {
  const bytes = Buffer.from(hex, 'hex').toString('latin1');
  return (json: string) => Buffer.from(`{"string":"${bytes}",${json.slice(1)}`, 'latin1');
}

type Writing = [what: string, write: (json: string) => Content];

/** Ways to write down an object that is otherwise good; the first ten of them good as well. */
const WRITINGS: Writing[] = [
  ['plain', (json) => json],
  ['white space around it', (json) => ` \t\r\n${json}\n `],
  ['a byte order mark', (json) => `\ufeff${json}`],
  ...words('7f c3bf efbfbd efbfbf efb790 eebfbf f09f9880').map(
    (bytes): Writing => [`the bytes ${bytes} in a string`, withString(bytes)],
  ),
  ...words('00 1f 80 c3 c080 e282 eda080 edbfbf f0808080 f4908080 f5808080 fe ff').map(
    (bytes): Writing => [`the bytes ${bytes}, no text, in a string`, withString(bytes)],
  ),
  ['two byte order marks', (json) => `\ufeff\ufeff${json}`],
  ['a byte order mark after white space', (json) => ` \ufeff${json}`],
  ['a byte order mark at the end', (json) => `${json}\ufeff`],
  ['a byte order mark alone', () => '\ufeff'],
  ['half a byte order mark', (json) => Buffer.from(`\xef\xbb${json}`, 'latin1')],
  ['a no-break space', (json) => `\u00a0${json}`],
  ['a vertical tab', (json) => `\v${json}`],
  ['a form feed', (json) => `${json}\f`],
  ['UTF-16', (json) => Buffer.from(json, 'utf16le')],
  ['trailing text', (json) => `${json}x`],
  ['a trailing brace', (json) => `${json}}`],
  ['a trailing NUL', (json) => `${json}\0`],
  ['a trailing comma', (json) => `${json},`],
  ['a comment', (json) => `${json}//`],
  ['the same once more', (json) => json + json],
  ['no end', (json) => json.slice(0, -1)],
  ['no start', (json) => json.slice(1)],
  ['a comma before the end', (json) => `${json.slice(0, -1)},}`],
  ['an array around it', (json) => `[${json}]`],
  ['an object around it', (json) => `{"a":${json}}`],
  ['a string of it', (json) => JSON.stringify(json)],
  ['base64url of it', (json) => base64url(json)],
  ['single quotes', (json) => json.replaceAll('"', "'")],
  ['names without quotes', (json) => json.replace(/"(\w+)":/g, '$1:')],
  ...['', ' ', ...words('null [] {} "x" 7 true { [{} {"a"} undefined')].map(
    (text): Writing => [`${text || 'nothing'} in its place`, () => text],
  ),
];

const ALGS = [
  ...words('"ES256" "none" "None" "HS256" "ES384" "ES512" "ES256K" "RS256" "PS256" "EdDSA"'),
  ...words('"Ed25519" "ML-DSA-44" "dir" "A128KW" "es256" "ＥＳ256" "" "__proto__" "toString"'),
  ...words(String.raw`"\u0045S256" "ES256\u0000" "ES256\ud800" null 256 -0 true [] ["ES256"] {}`),
  ...['"ES256 "', '" ES256"', '{"toString":"ES256"}'],
];
const CRITS = [
  ...words('["b64"] ["b64","b64"] ["b64","x"] ["x","b64"] ["b64",1] ["b64",""] ["b64",null]'),
  ...words('["exp"] ["alg"] ["kid"] ["B64"] ["__proto__"] ["toString"] [""] [1] [["b64"]] []'),
  ...words(String.raw`["\u00624"] ["\u006264"] "b64" null true 0 {} {"0":"b64","length":1}`),
];
const B64S = [undefined, ...words('true false null "true" 1 0 []')];

function kidsOf({ keys }: World) {
  const kid = keys[0]!.kid!;
  const texts = [kid, keys.at(-1)!.kid!, `${kid} `, ` ${kid}`, `${kid}\0`, kid.slice(1)]
    .concat([kid.toUpperCase(), kid.toLowerCase(), `${kid}\ud800`, 'unknown', '__proto__', ''])
    .map((text) => JSON.stringify(text));
  return [
    ...[undefined, ...texts, escaped(kid), `["${kid}"]`, `{"kid":"${kid}"}`],
    ...words('null 0 1 true false [] {}'),
  ];
}

function strangersOf({ jwk }: Signer): Member[] {
  const lure = 'https://attacker.example/jwks.json';
  const texts = { jku: lure, x5u: lure, x5t: 'AA', 'x5t#S256': 'AA', typ: 'JWT', cty: 'JWT' };
  const more = { zip: 'DEF', enc: 'A256GCM', iss: lure, nonce: 'x', Alg: 'none', 'alg ': 'none' };
  return [
    ...membersOf({ jwk, x5c: ['AA=='], ...texts, ...more }),
    ...membersOf({ constructor: 1, toString: 1, hasOwnProperty: 1, key_ops: [], '': 1 }),
    ...words('"at+jwt" "application/jwt" null 1 []').map((typ): Member => ['"typ"', typ]),
    ...words('null 1 {"alg":"none"} {"crit":["x"]} {"kid":"x"}').map(
      (value): Member => ['"__proto__"', value],
    ),
  ];
}

function headerMutations({ below, pick }: Random): Mutation[] {
  const attacker = newSigner('attacker');
  const strangers = strangersOf(attacker);

  const listed = worlds.flatMap((world) => {
    const good = membersOf(headerOf(world));
    const signed = (members: Member[], signer = world.signer): Mutation => {
      const json = jsonOf(members);
      return [json, world, sign(json, claimsOf(world), signer)];
    };
    const withKid = (kid: string | undefined) => withMember(good, 'kid', kid);
    const twice = (name: string, wrong: string) =>
      [`"${name}"`, escaped(name)].flatMap((spelling) => [
        signed([[spelling, wrong], ...good]),
        signed([...good, [spelling, wrong]]),
        signed([...good, ...good, [spelling, wrong], ...good]),
      ]);
    return [
      ...[undefined, ...ALGS].map((alg) => signed(withMember(good, 'alg', alg))),
      ...kidsOf(world).flatMap((kid) => [signed(withKid(kid)), signed(withKid(kid), attacker)]),
      ...B64S.flatMap((b64) =>
        [undefined, ...CRITS].map((crit) =>
          signed(withMember(withMember(good, 'b64', b64), 'crit', crit)),
        ),
      ),
      ...strangers.flatMap((stranger) => [
        signed([...good, stranger]),
        signed([stranger, ...good], attacker),
      ]),
      ...twice('alg', '"none"'),
      ...twice('kid', '"unknown"'),
      ...twice('crit', 'null'),
      ...ODD_VALUES.map((value) => signed([['"x"', value], ...good])),
      ...ODD_NAMES.map((name) => signed([[name, '1'], ...good])),
      ...WRITINGS.map(
        ([what, write]): Mutation => [what, world, tokenOf(world, write(jsonOf(good)))],
      ),
    ];
  });

  const combined = times(300, (): Mutation => {
    const world = pick(worlds);
    let members = membersOf(headerOf(world));
    for (let changes = 1 + below(3); changes > 0; changes -= 1) {
      members = pick([
        () => withMember(members, 'alg', pick(ALGS)),
        () => withMember(members, 'kid', pick(kidsOf(world))),
        () => withMember(members, 'crit', pick(CRITS)),
        () => withMember(members, 'b64', pick(B64S)),
        () => [...members, pick(strangers)],
        () => [pick(members), ...members],
      ])();
    }
    return [jsonOf(members), world, tokenOf(world, jsonOf(members))];
  });
  return [...listed, ...combined];
}

/** No two of these are one kid, but they are once a lone surrogate is replaced. */
function surrogateMutations(): Mutation[] {
  const kids = words(
    String.raw`"\ud800" "\udbff" "\udc00" "\ud800\ud800" "\ufffd" "\ufffd\ufffd"`,
  ).concat(String.raw`"\ufffd\ufffd\ufffd"`, '"\ufffd\ufffd\ufffd"', '"\ufffd"', '"\udbff"');
  return kids.map((kid) => {
    const header = `{"alg":"ES256","kid":${kid}}`;
    return [header, surrogates, tokenOf(surrogates, header)];
  });
}

const CLAIMS = words('iss aud sub exp nbf iat is_anonymous is_restricted');

/** Some of them good in one claim or another. */
function claimValues(world: World): Array<string | undefined> {
  const { projectId, url } = world.standIn;
  const iss = issuerOf(world);
  const issuers = [
    iss,
    `${iss}/`,
    `${iss} `,
    iss.toUpperCase(),
    iss.replace('http', 'https'),
    url,
  ].concat(issuerOf(world, 'projects-anonymous-users'), `${iss}\ud800`, `${iss}\0`);
  const audiences = ['', ' ', '\0', '\ud800', ':restricted', ':anon', '/'].map(
    (suffix) => `${projectId}${suffix}`,
  );
  const dates = words(`2027-01-15T08:00:00Z 1h Infinity true ${NOW + 540}`);
  const texts = [...issuers, ...audiences, ...dates].map((text) => JSON.stringify(text));
  const times = [-1, -0.5, 0, 0.5, 1, 540].map((seconds) => `${NOW + seconds}`);
  const numbers = words(
    '1.8e9 18E8 1800000000.0 1800000000.0000001 1800000000.0000002 1800000001e0 -1800000001',
  ).concat(words('1800000001000 9007199254740993 1e21 1.7976931348623159e308 5e-324'), times);
  const lists = [[projectId], ['x', projectId], [1, null, projectId], ['x'], [[projectId]], [iss]];
  return [
    undefined,
    ...ODD_VALUES,
    ...texts,
    ...numbers,
    ...numbers.map((number) => `[${number}]`),
    ...lists.map((list) => JSON.stringify(list)),
    ...[escaped(iss), escaped(projectId), `[${escaped(projectId)}]`, `{"0":"${projectId}"}`],
    ...[`["\\ud800","${projectId}"]`, `["${projectId}",1e999]`, `["${projectId}"`],
    `["${projectId}",${'['.repeat(300)}${']'.repeat(300)}]`,
  ];
}

function claimMutations({ below, pick }: Random): Mutation[] {
  const good = membersOf(claimsOf(published));
  const signed = (what: string, claims: Content): Mutation => [
    what,
    published,
    tokenOf(published, undefined, claims),
  ];
  const values = claimValues(published);

  const ofOne = CLAIMS.flatMap((claim) => {
    const rest = withMember(good, claim, undefined);
    const names = [`"${claim}"`, escaped(claim), `"${claim} "`, `"${claim.toUpperCase()}"`];
    return [
      ...values.map((value) => withMember(good, claim, value)),
      ...names.flatMap((name): Member[][] => [
        [[name, '{}'], ...good],
        [...good, [name, '{}']],
        [...rest, [name, `${NOW + 1}`]],
      ]),
      [...rest, ['"__proto__"', jsonOf(good)] as Member],
    ];
  });
  const faults: Member[] = [
    ...words('null 7 "x"').flatMap((value) => CLAIMS.map((claim): Member => [claim, value])),
    ...words('iat nbf exp').flatMap((claim): Member[] => [
      [claim, '1e999'],
      [claim, '-1e999'],
    ]),
    ['exp', `${NOW}`],
    ['nbf', `${NOW + 1}`],
  ];
  const ofTwo = faults.flatMap(([claim, value], index) =>
    faults
      .slice(index + 1)
      .map(([other, otherValue]) => withMember(withMember(good, claim, value), other, otherValue)),
  );
  const ofOthers = ofOtherUserTypes(published).flatMap((userType) => {
    const members = membersOf({ ...claimsOf(published), ...userType });
    return [members, ...CLAIMS.map((claim) => withMember(members, claim, undefined))];
  });
  const ofNone: Member[][] = [
    ...ODD_VALUES.map((value): Member[] => [['"x"', value], ...good]),
    ...ODD_NAMES.map((name): Member[] => [[name, '1'], ...good]),
  ];
  const listed = [...ofOne, ...ofTwo, ...ofOthers, ...ofNone].map((members) =>
    signed(jsonOf(members), jsonOf(members)),
  );
  const written = WRITINGS.map(([what, write]) => signed(what, write(jsonOf(good))));

  const combined = times(500, () => {
    let members = good;
    for (let changes = 1 + below(3); changes > 0; changes -= 1) {
      const claim = pick(CLAIMS);
      members = pick([
        () => withMember(members, claim, pick(values)),
        () => [...members, [escaped(claim), pick(values) ?? 'null'] as Member],
        () => [pick(members), ...members],
      ])();
    }
    const [what, write] = pick(WRITINGS.slice(0, 10));
    return signed(`${what}: ${jsonOf(members)}`, write(jsonOf(members)));
  });
  return [...listed, ...written, ...combined];
}

/** The order of P-256. */
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

function numberOf(bytes: Uint8Array) {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

function pair(r: bigint, s: bigint, size = 32) {
  const digits = [r, s].map((number) => number.toString(16).padStart(2 * size, '0'));
  return Buffer.from(digits.map((text) => text.slice(-2 * size)).join(''), 'hex');
}

function signatureMutations({ below }: Random): Mutation[] {
  const stranger = newSigner('stranger');
  const mutationsOf = (world: World, jti: number) => {
    const token = tokenOf(world, undefined, { ...claimsOf(world), jti });
    const input = token.slice(0, token.lastIndexOf('.'));
    const { key, jwk } = world.signer;
    const good = decode(token.slice(input.length + 1));
    const [r, s] = [good.subarray(0, 32), good.subarray(32)].map(numberOf) as [bigint, bigint];
    const der = createSignature('sha256', Buffer.from(input), key);
    const by = (signer: Signer, text: string, hash = 'sha256') =>
      createSignature(hash, Buffer.from(text), { key: signer.key, dsaEncoding: 'ieee-p1363' });
    const signatures: Record<string, Uint8Array> = {
      'as it was': good,
      's of the other half': pair(r, N - s),
      'r of the other half': pair(N - r, s),
      'r and s swapped': pair(s, r),
      'no bytes': Buffer.alloc(0),
      'all zeros': Buffer.alloc(64),
      'all ones': Buffer.alloc(64, 0xff),
      'r = 0': pair(0n, s),
      's = 0': pair(r, 0n),
      'r = n': pair(N, s),
      's = n': pair(r, N),
      'r = s = n': pair(N, N),
      'r = s = 1': pair(1n, 1n),
      'r = n - 1': pair(N - 1n, s),
      'r + n': pair(r + N, s),
      's + n': pair(r, s + N),
      '-s': pair(r, 2n ** 256n - s),
      's + n, in 33 bytes each': pair(r, s + N, 33),
      '33 bytes each': pair(r, s, 33),
      '48 bytes each': pair(r, s, 48),
      DER: der,
      'DER, cut to 64 bytes': der.subarray(0, 64),
      'the last byte off': good.subarray(0, 63),
      'the first byte off': good.subarray(1),
      'a byte after': Buffer.concat([good, Buffer.alloc(1)]),
      'a byte before': Buffer.concat([Buffer.alloc(1), good]),
      'r alone': good.subarray(0, 32),
      'twice over': Buffer.concat([good, good]),
      backwards: Buffer.from(good).reverse(),
      'of another text': by(world.signer, `${input}x`),
      'of the payload': by(world.signer, input.split('.')[1]!),
      'with SHA-384': by(world.signer, input, 'sha384'),
      'by a stranger': by(stranger, input),
      'HMAC with the public key': createHmac('sha256', JSON.stringify(jwk)).update(input).digest(),
    };
    const flipped = times(8, (): [string, Uint8Array] => {
      const bytes = Buffer.from(good);
      bytes[below(64)]! ^= 1 << below(8);
      return ['a flipped bit', bytes];
    });
    return [...Object.entries(signatures), ...flipped].map(
      ([what, bytes]): Mutation => [what, world, `${input}.${base64url(bytes)}`],
    );
  };
  return worlds.flatMap((world) => times(6, (jti) => mutationsOf(world, jti)).flat());
}

describe('verifyJwt agrees with jose on mutations of', () => {
  test.each([
    ['the text of a token', textMutations],
    ['the spelling of its parts', encodingMutations],
    ['its size', sizeMutations],
    ['its header', headerMutations],
    ['a kid that is no text', surrogateMutations],
    ['its claims', claimMutations],
    ['its signature', signatureMutations],
  ])('%s', async (_name, mutationsOf) => {
    const complaints: object[] = [];
    for (const [what, world, token] of mutationsOf(randomOf(SEED))) {
      const wrong = await complaint(world, token);
      if (wrong) {
        // Signatures are random, so that the seed alone would not bring the token back.
        complaints.push({ wrong, what, token, keys: world.keys, seed: SEED });
      }
    }
    expect(complaints.slice(0, 10)).toEqual([]);
  });
});

describe('of all these mutations', () => {
  test('there are enough, and most of them are refused', () => {
    expect(tally.mutations).toBeGreaterThanOrEqual(4_000);
    expect(tally.accepted).toBeGreaterThan(tally.mutations / 20);
    expect(tally.refused).toBeGreaterThan(tally.mutations / 2);
  });

  test('nine of ten that both refuse are refused with the same code', () => {
    expect(tally.sameCode / tally.refusedByBoth).toBeGreaterThanOrEqual(0.9);
  });

  test('some show each exception and each disagreement that is listed', () => {
    const listed = [...EXCEPTIONS, ...DISAGREEMENTS].map(({ name }) => name);
    expect([...used].sort()).toEqual([...listed, TWO_KEYS_ONE_KID].sort());
  });
});

afterAll(() => {
  const { mutations, accepted, refused, refusedByBoth, sameCode } = tally;
  const percent = ((100 * sameCode) / refusedByBoth).toFixed(1);
  console.log(
    `jose and verifyJwt: ${mutations} mutations, ${accepted} accepted, ${refused} refused, ` +
      `${percent} % of ${refusedByBoth} refused by both with the same code (seed ${SEED})`,
  );
});
