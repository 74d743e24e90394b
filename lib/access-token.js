'use strict';

const { StackAuthError, callerError, configError } = require('./errors.js');
const { describe, entriesOf, is, isArray, isObject, readOptions } = require('./options.js');

/** @import { Table } from './options.js' */

/** More than two tokens of the greatest length that is verified, in base64 and in JSON. */
const MAX_CONTAINER = 65_536;
/** More than any client has use for. To split or parse what is made of thousands of parts takes milliseconds. */
const MAX_PARTS = 32;
/** @type {Array<[name: string, pattern: RegExp]>} */
const COOKIES = ['hexclave-access', 'stack-access'].map((name) => [
  name,
  new RegExp(`(?:^|;)\\s*${name}\\s*=([^;]*)`),
]);

/** @type {Table} */
const OPTIONS = { cookies: ['a boolean', is('boolean')] };

/**
 * The headers that may have a token, and how the tokens in a value are read.
 *
 * @type {Array<[header: string, read: (value: string, header: string) => Iterable<string>]>}
 */
const HEADERS = [
  ['x-hexclave-access-token', splitList],
  ['x-stack-access-token', splitList],
  ['authorization', inAuthorization],
  ['x-stack-auth', inObjects],
];
/** @type {typeof HEADERS} */
const HEADERS_AND_COOKIES = [...HEADERS, ['cookie', inCookies]];

/**
 * See index.d.ts.
 *
 * @param {unknown} request
 * @param {unknown} [options]
 * @returns {string | undefined}
 */
function accessTokenFrom(request, options) {
  const { cookies } = readOptions(entriesOf(options), {}, OPTIONS);
  return tokenOf(request, cookies === true);
}

/**
 * For callers that have read the options already.
 *
 * @param {unknown} request
 * @param {boolean} cookies
 */
function tokenOf(request, cookies) {
  try {
    return find(request, cookies);
  } catch (error) {
    // Getters and proxies may throw anything.
    throw error instanceof StackAuthError
      ? error
      : configError('the request could not be read', error);
  }
}

/**
 * @param {unknown} request
 * @param {boolean} cookies
 */
function find(request, cookies) {
  const headers = headersOf(request);
  const names = typeof headers.get === 'function' ? undefined : Object.keys(headers);
  if (names && typeof headers.then === 'function') {
    throw unfit('headers that are a promise');
  }
  /** @type {string | undefined} */
  let token;
  let isAmbiguous = false;
  for (const [name, read] of cookies ? HEADERS_AND_COOKIES : HEADERS) {
    const values = valuesOf(headers, names, name);
    if (name === 'authorization' && values.length > 0) {
      values.push(...droppedAuthorizationsOf(request));
    }
    if (values.length === 0) {
      continue;
    }
    for (const found of read(combined(values, name), name)) {
      isAmbiguous ||= token !== undefined && found !== token;
      token = found;
    }
  }
  if (isAmbiguous) {
    const message = 'the request has several access tokens that differ';
    throw callerError('ERR_TOKEN_AMBIGUOUS', 400, message);
  }
  return token;
}

/**
 * As RFC 9110 section 5.3 and RFC 6265 section 5.4 have it.
 *
 * @param {string[]} values
 * @param {string} header
 */
function combined(values, header) {
  const [first = '', ...others] = values;
  if (others.length === 0) {
    return first;
  }
  // No JSON is between two commas.
  return values.filter((value) => value.trim() !== '').join(header === 'cookie' ? ';' : ',');
}

/**
 * The values of `Authorization` after the first, which Node leaves out of `headers`: a proxy may have used one of them.
 *
 * @param {any} request
 */
function droppedAuthorizationsOf(request) {
  const raw = Reflect.get(request, 'rawHeaders');
  /** @type {string[]} */
  const all = [];
  // Names and values alternate.
  for (let at = 0; isArray(raw) && at < raw.length; at += 2) {
    const name = raw[at];
    if (typeof name === 'string' && name.length === 13 && name.toLowerCase() === 'authorization') {
      all.push(...stringsOf(raw[at + 1]));
    }
  }
  return all.slice(1);
}

/**
 * @param {any} request
 * @returns {any}
 */
function headersOf(request) {
  if (!isObject(request)) {
    throw unfit(describe(request));
  }
  // In Express each request has a hidden class of its own, so V8's inline cache of a plain access would miss,
  // and be renewed, each time.
  const headers = Reflect.get(request, 'headers');
  // Not those of a polluted prototype.
  const isOwn = headers !== /** @type {any} */ (Object.prototype).headers;
  if (isOwn && isObject(headers)) {
    return headers;
  }
  if (isOwn && typeof headers === 'function' && typeof request.get !== 'function') {
    throw unfit('headers that are a function');
  }
  if (typeof request.then === 'function') {
    throw unfit('a promise');
  }
  // The context of a framework: if it were taken for headers, nobody would have a token.
  for (const name of ['req', 'request', 'raw']) {
    if (isObject(request[name])) {
      throw unfit(`an object that holds one: hand over its "${name}"`);
    }
  }
  return request;
}

/** @param {string} found */
function unfit(found) {
  return configError(`a request or headers are needed to find a token in, found ${found}`);
}

/**
 * The values of a header: of a Fetch `Headers`, of a Node request, or of an object with names in any case.
 *
 * @param {any} headers
 * @param {string[] | undefined} names `undefined` if it is a `Headers`
 * @param {string} name
 * @returns {string[]}
 */
function valuesOf(headers, names, name) {
  if (!names) {
    return stringsOf(headers.get(name));
  }
  /** @type {string[]} */
  let values = [];
  for (const key of names) {
    // Most differ in length, and need no copy in lower case.
    if (key.length === name.length && key.toLowerCase() === name) {
      values = values.concat(stringsOf(headers[key]));
    }
  }
  return values;
}

/**
 * @param {unknown} value
 * @returns {string[]}
 */
function stringsOf(value) {
  const values = isArray(value) ? value : [value];
  return values.filter((item) => typeof item === 'string');
}

/**
 * Most headers that are repeated arrive as one, joined by commas, which no token contains.
 *
 * @param {string} value
 * @param {string} header
 */
function splitList(value, header) {
  const items = value.split(',', MAX_PARTS + 1);
  if (items.length > MAX_PARTS) {
    throw malformed(header);
  }
  return items.map((item) => item.trim()).filter((item) => item !== '');
}

/** @param {string} value */
function inAuthorization(value) {
  return splitList(value, 'Authorization').flatMap((credentials) => {
    // Only the scheme, for a regular expression is slow on a whole token.
    const scheme = /^bearer[ \t]+/i.exec(credentials);
    if (!scheme) {
      return [];
    }
    const token = credentials.slice(scheme[0].length);
    const prefix = /^(?:stackauth|hexclave)_/.exec(token);
    if (!prefix) {
      return [token];
    }
    const text = textOf(token.slice(prefix[0].length));
    return tokenOfObject(parse(text, 'Authorization'), 'Authorization');
  });
}

/**
 * One JSON object, or several with commas between them.
 *
 * @param {string} value
 */
function inObjects(value) {
  const objects = parse(value, 'x-stack-auth', (text) => `[${text}]`);
  return objects.flatMap((/** @type {any} */ object) => tokenOfObject(object, 'x-stack-auth'));
}

/**
 * The text in base64 or base64url. (Node's decoder skips whatever is neither.)
 *
 * @param {string} encoded
 */
function textOf(encoded) {
  refuseTooLong(encoded, 'Authorization');
  if (!/^[\w+/-]*={0,2}$/.test(encoded)) {
    throw malformed('Authorization');
  }
  return String(Buffer.from(encoded, 'base64'));
}

/**
 * The token of an object of Stack Auth's SDK, where it is null for a visitor who has not signed in.
 *
 * @param {any} object
 * @param {string} place
 */
function tokenOfObject(object, place) {
  if (!isObject(object)) {
    throw malformed(place);
  }
  return tokenOrNone(Object.hasOwn(object, 'accessToken') ? object.accessToken : null, place);
}

/**
 * The token of the first cookie that is there. Of cookies with the same name, browsers send that with the
 * narrowest path first.
 *
 * @param {string} header
 */
function inCookies(header) {
  for (const [cookie, pattern] of COOKIES) {
    const value = pattern.exec(header)?.[1]?.trim();
    if (value) {
      const array = parse(value, cookie, decodeURIComponent);
      if (!Array.isArray(array)) {
        throw malformed(cookie);
      }
      return tokenOrNone(array.at(1) ?? null, cookie);
    }
  }
  return [];
}

/**
 * Each comes after one of these marks. Those within texts count as well, for no token has any.
 *
 * @param {string} json
 */
function hasTooManyParts(json) {
  let parts = 0;
  for (const mark of ['[', '{', ',']) {
    for (let at = json.indexOf(mark); at >= 0; at = json.indexOf(mark, at + 1)) {
      parts += 1;
      if (parts > MAX_PARTS) {
        return true;
      }
    }
  }
  return false;
}

/**
 * @param {string} text
 * @param {string} place
 * @param {(text: string) => string} [decode]
 */
function parse(text, place, decode = (same) => same) {
  refuseTooLong(text, place);
  try {
    const json = decode(text);
    if (!hasTooManyParts(json)) {
      return JSON.parse(json);
    }
  } catch {} // The message of a SyntaxError would repeat the text.
  throw malformed(place);
}

/**
 * @param {unknown} token
 * @param {string} place
 */
function tokenOrNone(token, place) {
  if (token === null || token === '') {
    return [];
  }
  if (typeof token !== 'string') {
    throw malformed(place);
  }
  return [token];
}

/**
 * @param {string} text
 * @param {string} place
 */
function refuseTooLong(text, place) {
  if (text.length > MAX_CONTAINER) {
    throw malformed(place);
  }
}

/** @param {string} place */
function malformed(place) {
  return callerError('ERR_JWS_INVALID', 401, `${place} holds no access token that can be read`);
}

module.exports = { accessTokenFrom, tokenOf };
