'use strict';

const { copierOf, parseVerified } = require('./verified.js');

/** @import { Verified } from './verified.js' */

/** Taken at load time, for a server may replace it. */
const { hasOwn } = Object;

/** Of a slot: a number, the payload, the header, and the function that copies the payload. */
const FIELDS = 4;
/** Bytes that a template takes besides the characters of its JSON, more or less. */
const OBJECT_BYTES = 400;
/** Is no token's number. */
const NO_TOKEN = -1;
/**
 * Those used of late, of all bounds, in the slot that the last bits of their number say: there is less to read than
 * in a `Map`, and numbers follow on one another, so those in use seldom collide. As many slots as the largest
 * `Templates` has had entries.
 */
let near = slots(256);

/**
 * Results of remembered tokens, by the number that the native side gave them, to be copied for each
 * call: a copy takes a fraction of the time that parsing takes. Bounded by the memory that they take, more or less.
 */
class Templates {
  /**
   * Per thread. Enough for all tokens of the usual length that the native side remembers, for what is left over is
   * parsed at each call.
   */
  static #SHARE = 1 / 2;
  /** As in src/config.rs. */
  static #DEFAULT_BYTES = 16 * 1_024 * 1_024;
  /** @type {Map<number, Templates>} */
  static #all = new Map();

  /** An object is copied each time; a text, with objects inside, is parsed. @type {Map<number, Template | string>} */
  #templates = new Map();
  /** Goes on where it stopped, for another would have to step over all that were dropped. */
  #oldest = this.#templates.entries();
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
    const at = slotOf(id);
    if (near[at] === id) {
      const copyPayload = near[at + 3];
      return { payload: copyPayload(near[at + 1]), protectedHeader: { ...near[at + 2] } };
    }
    const template = this.#templates.get(id);
    if (typeof template === 'string') {
      return parseVerified(template);
    }
    if (!template) {
      return undefined;
    }
    // JavaScript can be interrupted here. The number comes last, so that an incomplete slot is never used.
    near[at] = NO_TOKEN;
    near[at + 1] = template.payload;
    near[at + 2] = template.protectedHeader;
    near[at + 3] = template.copyPayload;
    near[at] = id;
    return copyOf(template);
  }

  /**
   * @param {number} id
   * @param {string} json
   * @returns {Verified}
   */
  add(id, json) {
    const parsed = parseVerified(json);
    const flat = isFlat(parsed.payload) && isFlat(parsed.protectedHeader);
    const template = flat ? this.#templateOf(parsed, json.length + OBJECT_BYTES) : json;
    if (this.#templates.size >= near.length / FIELDS) {
      // Empty, for each token now has another slot; those in use return at their next copy.
      near = slots((2 * near.length) / FIELDS);
    }
    // An interruption may leave the length too great, and then `#drop` starts over; too small, it would stay so.
    this.#length += template.length;
    this.#templates.set(id, template);
    while (this.#length > this.#maxLength) {
      this.#drop();
    }
    return typeof template === 'string' ? parsed : copyOf(template);
  }

  /**
   * @param {Verified} parsed
   * @param {number} length
   * @returns {Template}
   */
  #templateOf(parsed, length) {
    const { payload, protectedHeader } = this.#last;
    shareTexts(parsed.payload, payload);
    if (isEqual(parsed.protectedHeader, protectedHeader)) {
      parsed.protectedHeader = protectedHeader;
    }
    this.#last = parsed;
    return { ...parsed, copyPayload: copierOf(parsed.payload), length };
  }

  #drop() {
    const { value, done } = this.#oldest.next();
    if (done) {
      this.#templates.clear();
      near = slots(near.length / FIELDS);
      this.#oldest = this.#templates.entries();
      this.#length = 0;
    } else {
      const [id, { length }] = value;
      const at = slotOf(id);
      near.fill(NO_TOKEN, at, at + FIELDS);
      this.#templates.delete(id);
      this.#length -= length;
    }
  }
}

/** @typedef {Verified & { copyPayload: (payload: any) => object, length: number }} Template */

/**
 * @param {number} count
 * @returns {any[]}
 */
function slots(count) {
  // Members of its own from the beginning: an array with holes asks a polluted prototype.
  return Array.from(new Int8Array(count * FIELDS).fill(NO_TOKEN));
}

/** @param {number} id */
function slotOf(id) {
  return (id * FIELDS) % near.length;
}

/** @param {Template} template */
function copyOf({ payload, protectedHeader, copyPayload }) {
  return { payload: copyPayload(payload), protectedHeader: { ...protectedHeader } };
}

/** @param {object} object */
function isFlat(object) {
  for (const value of Object.values(object)) {
    if (typeof value === 'object' && value !== null) {
      return false;
    }
  }
  return true;
}

/**
 * Of flat objects, in the same order.
 *
 * @param {any} one
 * @param {any} other
 */
function isEqual(one, other) {
  const names = Object.keys(one);
  const others = Object.keys(other);
  return (
    names.length === others.length &&
    names.every((name, at) => name === others[at] && Object.is(one[name], other[name]))
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
    if (typeof text === 'string' && hasOwn(other, name) && text === other[name]) {
      object[name] = other[name];
    }
  }
}

module.exports = { Templates };
