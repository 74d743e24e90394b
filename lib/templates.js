'use strict';

/**
 * @typedef {{ payload: object, protectedHeader: object }} Verified
 *
 * @typedef {object} Page results of `SIZE` numbers in a row
 * @property {Array<object | string | undefined>} items the payload and the header of each; one with
 *   objects inside as JSON, for both. Without holes, for what a hole holds is up to `Array.prototype`
 * @property {number} length in characters of JSON, its own too
 */

/** So many that pages are few, and so few that one for a single result takes little. */
const SIZE = 256;
const ITEM_BYTES = 8;

/**
 * Results of remembered tokens, by the number that the native side gave them, to be copied for each
 * call: a copy takes a twentieth of the time that parsing takes. Bounded by the length of the JSON. In
 * pages, for an entry of a `Map` of many is further away than an item of an array.
 */
class Templates {
  /**
   * Per thread, in characters of JSON; the objects take about a byte for each. Enough for all tokens of the
   * usual length that the native side remembers, for what is left over is parsed at each call.
   */
  static #SHARE = 3 / 8;
  static #DEFAULT_BYTES = 16 * 1_024 * 1_024;
  /** @type {Map<number, Templates>} */
  static #all = new Map();

  /** @type {Map<number, Page>} */
  #pages = new Map();
  #length = 0;
  /** @type {number} */
  #maxLength;
  /** The last one; most have the same header, issuer, audience and more. @type {Verified} */
  #last = { payload: {}, protectedHeader: {} };

  /** @param {number} maxLength */
  constructor(maxLength) {
    this.#maxLength = maxLength;
  }

  /**
   * @param {unknown} [tokenCacheBytes]
   * @returns {Templates}
   */
  static of(tokenCacheBytes = Templates.#DEFAULT_BYTES) {
    const bytes = /** @type {number} */ (tokenCacheBytes);
    let templates = Templates.#all.get(bytes);
    if (!templates) {
      templates = new Templates(bytes * Templates.#SHARE);
      Templates.#all.set(bytes, templates);
    }
    return templates;
  }

  /**
   * @param {number} id
   * @returns {Verified | undefined}
   */
  copy(id) {
    const items = this.#pages.get(Math.floor(id / SIZE))?.items;
    const payload = items?.[2 * (id % SIZE)];
    if (typeof payload === 'string') {
      return JSON.parse(payload);
    }
    return payload && copyOf(payload, items?.[2 * (id % SIZE) + 1]);
  }

  /**
   * @param {number} id
   * @param {string} json
   * @returns {Verified}
   */
  add(id, json) {
    /** @type {Verified} */
    const parsed = JSON.parse(json);
    const { items } = this.#pageFor(id, json.length);
    const at = 2 * (id % SIZE);
    if (!isFlat(parsed.payload) || !isFlat(parsed.protectedHeader)) {
      items[at] = json;
      return parsed;
    }
    const { payload, protectedHeader } = this.#last;
    shareTexts(parsed.payload, payload);
    if (isEqual(parsed.protectedHeader, protectedHeader)) {
      parsed.protectedHeader = protectedHeader;
    }
    this.#last = parsed;
    items[at] = parsed.payload;
    items[at + 1] = parsed.protectedHeader;
    return copyOf(parsed.payload, parsed.protectedHeader);
  }

  /**
   * Where there is room for so much more; the oldest make it.
   *
   * @param {number} id
   * @param {number} length
   */
  #pageFor(id, length) {
    const number = Math.floor(id / SIZE);
    let page = this.#pages.get(number);
    if (!page) {
      page = { items: Array(2 * SIZE).fill(undefined), length: 0 };
      this.#pages.set(number, page);
      this.#grow(page, 2 * SIZE * ITEM_BYTES);
    }
    this.#grow(page, length);
    for (const [oldest, { length: freed }] of this.#pages) {
      if (this.#length <= this.#maxLength) {
        break;
      }
      this.#pages.delete(oldest);
      this.#length -= freed;
    }
    return page;
  }

  /**
   * @param {Page} page
   * @param {number} length
   */
  #grow(page, length) {
    page.length += length;
    this.#length += length;
  }
}

/**
 * @param {object} payload
 * @param {any} protectedHeader
 * @returns {Verified}
 */
function copyOf(payload, protectedHeader) {
  return { payload: { ...payload }, protectedHeader: { ...protectedHeader } };
}

/** @param {object} object */
function isFlat(object) {
  return Object.values(object).every((value) => Object(value) !== value);
}

/**
 * Of flat objects, in the same order.
 *
 * @param {object} one
 * @param {object} other
 */
function isEqual(one, other) {
  const [members, others] = [Object.entries(one).flat(), Object.entries(other).flat()];
  return (
    members.length === others.length && members.every((member, at) => Object.is(member, others[at]))
  );
}

/**
 * Texts of one object that are those of another: kept once, they take less memory, and of the processor's
 * caches as well.
 *
 * @param {any} object
 * @param {any} other
 */
function shareTexts(object, other) {
  for (const name of Object.keys(object)) {
    const text = object[name];
    const known = Object.hasOwn(other, name) ? other[name] : undefined;
    if (typeof text === 'string' && text === known) {
      object[name] = known;
    }
  }
}

module.exports = { Templates };
