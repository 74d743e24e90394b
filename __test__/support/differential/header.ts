import { times } from '../cache-issuer.js';
import { newSigner, type Signer, sign } from '../tokens.js';
import {
  escaped,
  jsonOf,
  type Member,
  membersOf,
  ODD_NAMES,
  ODD_VALUES,
  WRITINGS,
  withMember,
} from './json.js';
import { type Random, words } from './random.js';
import { claimsOf, headerOf, type Mutation, tokenOf, type World, type Worlds } from './world.js';

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

export function headerMutations({ ordinary }: Worlds, { below, pick }: Random): Mutation[] {
  const attacker = newSigner('attacker');
  const strangers = strangersOf(attacker);

  const listed = ordinary.flatMap((world) => {
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
    const world = pick(ordinary);
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
export function surrogateMutations({ surrogates }: Worlds): Mutation[] {
  const kids = words(
    String.raw`"\ud800" "\udbff" "\udc00" "\ud800\ud800" "\ufffd" "\ufffd\ufffd"`,
  ).concat(String.raw`"\ufffd\ufffd\ufffd"`, '"\ufffd\ufffd\ufffd"', '"\ufffd"', '"\udbff"');
  return kids.map((kid) => {
    const header = `{"alg":"ES256","kid":${kid}}`;
    return [header, surrogates, tokenOf(surrogates, header)];
  });
}
