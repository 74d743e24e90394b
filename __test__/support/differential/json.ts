import { base64url, type Content } from '../tokens.js';
import { words } from './random.js';

/** A member of a JSON object as text: `['"exp"', '1e999']`. */
export type Member = [name: string, value: string];

export function membersOf(object: object): Member[] {
  return Object.entries(object).map(([name, value]) => [
    JSON.stringify(name),
    JSON.stringify(value),
  ]);
}

export function jsonOf(members: Member[]) {
  return `{${members.map((member) => member.join(':')).join(',')}}`;
}

/** In place of the member of that name, if there is one. */
export function withMember(members: Member[], name: string, value: string | undefined): Member[] {
  const others = members.filter(([other]) => other !== `"${name}"`);
  return value === undefined ? others : [...others, [`"${name}"`, value]];
}

/** As a JSON string with its first character escaped. */
export function escaped(text: string) {
  return `"\\u${text.charCodeAt(0).toString(16).padStart(4, '0')}${text.slice(1)}"`;
}

/** Values that are JSON, if only just, and some that are not. */
export const ODD_VALUES = [
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

export const ODD_NAMES = [
  ...words(String.raw`"\ud800" "" "\q" "x x 'x' 1 null "x":1,"y" "x":1,`),
  ...['"x\n"', '"\u0000"', '"\u007f"', '\u00a0"x"', ' "x"\t'],
];

function withString(hex: string) {
  const bytes = Buffer.from(hex, 'hex').toString('latin1');
  return (json: string) => Buffer.from(`{"string":"${bytes}",${json.slice(1)}`, 'latin1');
}

type Writing = [what: string, write: (json: string) => Content];

/** Ways to write down an object that is otherwise good; the first ten of them good as well. */
export const WRITINGS: Writing[] = [
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
