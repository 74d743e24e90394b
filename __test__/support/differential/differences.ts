import { base64url } from '../tokens.js';
import { decode } from './peek.js';
import { MAX_TOKEN, ofOtherUserTypes, type World } from './world.js';

const FAILED = 'ERR_JWT_CLAIM_VALIDATION_FAILED';

function isStrict(token: string) {
  return token.split('.').every((part) => base64url(decode(part)) === part);
}

const INFINITE = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

function infiniteDates(claims: any) {
  return ['iat', 'nbf', 'exp'].filter((claim) => INFINITE.includes(claims[claim]));
}

export const TWO_KEYS_ONE_KID =
  'of two keys with one kid, both are tried: jose leaves the loop to its caller';

/** Where jose accepts and we have to refuse: for one of the refusals, if there are any. */
export const EXCEPTIONS: Array<{
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

/** Where both refuse, but not in the same words. */
export const DISAGREEMENTS: Array<{
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
