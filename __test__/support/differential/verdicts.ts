import { isDeepStrictEqual } from 'node:util';
import { askJose, askUs } from './answers.js';
import { DISAGREEMENTS, EXCEPTIONS } from './differences.js';
import { peek } from './peek.js';
import type { World } from './world.js';

export const used = new Set<string>();
export const tally = { mutations: 0, accepted: 0, refused: 0, refusedByBoth: 0, sameCode: 0 };

/** What is wrong with our answer, if anything is. */
export async function complaint(world: World, token: string): Promise<string | undefined> {
  const [theirs, difference] = await askJose(world, token);
  const ours = await askUs(world, token);
  tally.mutations += 1;
  tally['verified' in ours ? 'accepted' : 'refused'] += 1;
  if (difference) {
    used.add(difference);
  }

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
