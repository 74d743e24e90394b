import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimMutations } from './support/differential/claims.js';
import { DISAGREEMENTS, EXCEPTIONS, TWO_KEYS_ONE_KID } from './support/differential/differences.js';
import { headerMutations, surrogateMutations } from './support/differential/header.js';
import { randomOf } from './support/differential/random.js';
import { signatureMutations } from './support/differential/signature.js';
import { encodingMutations, sizeMutations, textMutations } from './support/differential/text.js';
import { complaint, tally, used } from './support/differential/verdicts.js';
import { openWorlds, type Worlds } from './support/differential/world.js';

const SEED = Number(process.env.DIFFERENTIAL_SEED ?? 20_260_425);

let worlds: Worlds;

beforeAll(async () => {
  worlds = await openWorlds();
});
afterAll(() =>
  Promise.all([...worlds.ordinary, worlds.surrogates].map(({ standIn }) => standIn.close())),
);

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
    for (const [what, world, token] of mutationsOf(worlds, randomOf(SEED))) {
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
