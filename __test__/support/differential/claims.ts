import { times } from '../cache-issuer.js';
import type { Content } from '../tokens.js';
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
import {
  claimsOf,
  issuerOf,
  type Mutation,
  NOW,
  ofOtherUserTypes,
  tokenOf,
  type World,
  type Worlds,
} from './world.js';

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

export function claimMutations({ published }: Worlds, { below, pick }: Random): Mutation[] {
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
