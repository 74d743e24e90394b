'use strict';

/** What a slot has: the number of a token, its payload and its header, and the length of both as JSON. */
const FIELDS = 4;
const FEWEST_SLOTS = 64;
/** As it was when this was loaded. */
const { hasOwn } = Object;

/**
 * Results of remembered tokens, by the number that the native side gave them, to be copied for each
 * call: a copy takes a twentieth of the time that parsing takes. Bounded by the length of the JSON. The
 * last bits of a number tell its slot: numbers follow on one another, so those in use seldom meet, and
 * an array takes less memory to be read than a `Map` does.
 */
class Templates {
  /**
   * Per thread, in characters of JSON; the objects take about a byte for each. Enough for all tokens of the
   * usual length that the native side remembers, for what is left over is parsed at each call.
   */
  static #SHARE = 3 / 8;
  /** Shorter than the JSON of a token is, so that there is a slot for each. */
  static #SHORTEST = 384;
  static #DEFAULT_BYTES = 16 * 1_024 * 1_024;
  /** @type {Map<number, Templates>} */
  static #all = new Map();

  /** A payload is copied each time; where it is a text, with objects inside, that is parsed. @type {any[]} */
  #slots = emptySlots(FEWEST_SLOTS);
  #mask = FEWEST_SLOTS - 1;
  #length = 0;
  /** @type {number} */
  #maxLength;
  /** The slot to be emptied next. */
  #hand = 0;
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
    const slots = this.#slots;
    const at = FIELDS * (id & this.#mask);
    if (slots[at] !== id) {
      return undefined;
    }
    const payload = slots[at + 1];
    return typeof payload === 'string' ? JSON.parse(payload) : copyOf(payload, slots[at + 2]);
  }

  /**
   * @param {number} id
   * @param {string} json
   * @returns {Verified}
   */
  add(id, json) {
    /** @type {Verified} */
    const parsed = JSON.parse(json);
    if (!isFlat(parsed.payload) || !isFlat(parsed.protectedHeader)) {
      this.#keep(id, json, undefined, json.length);
      return parsed;
    }
    const { payload, protectedHeader } = this.#last;
    shareTexts(parsed.payload, payload);
    if (isEqual(parsed.protectedHeader, protectedHeader)) {
      parsed.protectedHeader = protectedHeader;
    }
    this.#last = parsed;
    this.#keep(id, parsed.payload, parsed.protectedHeader, json.length);
    return copyOf(parsed.payload, parsed.protectedHeader);
  }

  /**
   * @param {number} id
   * @param {unknown} payload
   * @param {unknown} header
   * @param {number} length
   */
  #keep(id, payload, header, length) {
    const most = this.#maxLength / Templates.#SHORTEST;
    while (this.#slots[FIELDS * (id & this.#mask)] !== undefined && this.#mask + 1 < most) {
      this.#double();
    }
    this.#empty(id & this.#mask);
    const at = FIELDS * (id & this.#mask);
    this.#slots[at] = id;
    this.#slots[at + 1] = payload;
    this.#slots[at + 2] = header;
    this.#slots[at + 3] = length;
    this.#length += length;
    while (this.#length > this.#maxLength) {
      this.#empty(this.#hand);
      this.#hand = (this.#hand + 1) & this.#mask;
    }
  }

  #double() {
    const slots = this.#slots;
    this.#mask = 2 * this.#mask + 1;
    this.#slots = emptySlots(this.#mask + 1);
    this.#hand = 0;
    for (let from = 0; from < slots.length; from += FIELDS) {
      if (slots[from] !== undefined) {
        const to = FIELDS * (slots[from] & this.#mask);
        for (let field = 0; field < FIELDS; field += 1) {
          this.#slots[to + field] = slots[from + field];
        }
      }
    }
  }

  /** @param {number} slot */
  #empty(slot) {
    const at = FIELDS * slot;
    this.#length -= this.#slots[at + 3] ?? 0;
    this.#slots.fill(undefined, at, at + FIELDS);
  }
}

/**
 * Without holes, for what a hole holds is up to `Array.prototype`.
 *
 * @param {number} count
 */
function emptySlots(count) {
  return Array(FIELDS * count).fill(undefined);
}

/** @typedef {{ payload: object, protectedHeader: object }} Verified */

/**
 * @param {object} payload
 * @param {object} protectedHeader
 */
function copyOf(payload, protectedHeader) {
  return { payload: { ...payload }, protectedHeader: { ...protectedHeader } };
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
