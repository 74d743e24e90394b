'use strict';

/** What a slot has: the number of a token, its payload and its header, and the length of both as JSON. */
const FIELDS = 4;
const EMPTY = [undefined, undefined, undefined, 0];
const FEWEST_SLOTS = 64;
/** As it was when this was loaded. */
const { hasOwn } = Object;

/**
 * Results of remembered tokens, by the number that the native side gave them, to be copied for each
 * call: a copy takes a twentieth of the time that parsing takes. Bounded by the length of the JSON. The
 * last bits of a number are its slot: numbers follow on one another, so those in use seldom collide.
 */
class Templates {
  /**
   * Per thread, in characters of JSON; the objects take about a byte for each. Enough for all tokens of the
   * usual length that the native side remembers, for what is left over is parsed at each call.
   */
  static #SHARE = 3 / 8;
  /** `#SHARE` of what a token weighs at the least, 1,024 bytes (src/remembered.rs): a slot for each. */
  static #LENGTH_PER_SLOT = 384;
  static #DEFAULT_BYTES = 16 * 1_024 * 1_024;
  /** @type {Map<number, Templates>} */
  static #all = new Map();

  /** A payload is copied each time; where it is a text, with objects inside, that is parsed. @type {any[]} */
  #slots = Array(FIELDS * FEWEST_SLOTS).fill(undefined);
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
      this.#keep([id, json, undefined, json.length]);
      return parsed;
    }
    const { payload, protectedHeader } = this.#last;
    shareTexts(parsed.payload, payload);
    if (isEqual(parsed.protectedHeader, protectedHeader)) {
      parsed.protectedHeader = protectedHeader;
    }
    this.#last = parsed;
    this.#keep([id, parsed.payload, parsed.protectedHeader, json.length]);
    return copyOf(parsed.payload, parsed.protectedHeader);
  }

  /** @param {[id: number, payload: unknown, header: unknown, length: number]} template */
  #keep(template) {
    const [id] = template;
    const most = this.#maxLength / Templates.#LENGTH_PER_SLOT;
    while (this.#slots[FIELDS * (id & this.#mask)] !== undefined && this.#mask + 1 < most) {
      this.#double();
    }
    this.#put(id & this.#mask, template);
    while (this.#length > this.#maxLength) {
      this.#put(this.#hand, EMPTY);
      this.#hand = (this.#hand + 1) & this.#mask;
    }
  }

  #double() {
    const slots = this.#slots;
    this.#mask = 2 * this.#mask + 1;
    this.#slots = Array(2 * slots.length).fill(undefined);
    this.#length = 0;
    for (let at = 0; at < slots.length; at += FIELDS) {
      if (slots[at] !== undefined) {
        this.#put(slots[at] & this.#mask, slots.slice(at, at + FIELDS));
      }
    }
  }

  /**
   * @param {number} slot
   * @param {any[]} template
   */
  #put(slot, template) {
    const [, , , dropped = 0] = this.#slots.splice(FIELDS * slot, FIELDS, ...template);
    this.#length += template[3] - dropped;
  }
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
