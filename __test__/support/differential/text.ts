import { times } from '../cache-issuer.js';
import { base64url, signEncoded } from '../tokens.js';
import { type Random, words } from './random.js';
import { claimsOf, headerOf, MAX_TOKEN, type Mutation, tokenOf, type Worlds } from './world.js';

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

const ofText: Record<string, (token: string, random: Random, pool: string[]) => string> = {
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
  'a part of another token': (token, { below, pick }, pool) => {
    const at = below(3);
    return withPart(token, at, () => pick(pool).split('.')[at]!);
  },
  'another token after it': (token, { pick }, pool) =>
    token + pick(['', '.', ' ', ',']) + pick(pool),
};

function withPart(token: string, at: number, change: (part: string) => string) {
  const parts = token.split('.');
  return parts.with(at, change(parts[at]!)).join('.');
}

export function textMutations({ published, pool }: Worlds, random: Random): Mutation[] {
  return Object.entries(ofText).flatMap(([what, mutate]) =>
    times(90, (): Mutation => {
      const token = random.pick(random.below(3) > 0 ? pool.slice(0, 3) : pool);
      return [what, published, mutate(token, random, pool)];
    }),
  );
}

/** Signed as they are spelt, so that nothing but the spelling is odd. */
export function encodingMutations({ published }: Worlds, { below, pick }: Random): Mutation[] {
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

export function sizeMutations({ ordinary }: Worlds): Mutation[] {
  return ordinary.flatMap((world) => {
    const sized = (filler: number): Mutation => {
      const claims = { ...claimsOf(world), filler: 'x'.repeat(filler) };
      const token = tokenOf(world, undefined, claims);
      return [`${token.length} characters`, world, token];
    };
    const atLimit = Math.floor(((MAX_TOKEN - sized(0)[2].length) * 3) / 4);
    return [1_000, 10_000, ...times(11, (index) => atLimit + index - 5), 20_000, 90_000].map(sized);
  });
}
