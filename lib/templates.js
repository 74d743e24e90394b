'use strict';

/**
 * Results of remembered tokens, by the number that the native side gave them, to be copied for each
 * call: a copy takes a twentieth of the time that parsing takes. Bounded by the length of the JSON.
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

  /** An object is copied each time; a text, with objects inside, is parsed. @type {Map<number, Verified | string>} */
  #templates = new Map();
  /** Apart, for only what is added or dropped needs it. @type {Map<number, number>} */
  #lengths = new Map();
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
    const template = this.#templates.get(id);
    return typeof template === 'string' ? JSON.parse(template) : template && copyOf(template);
  }

  /**
   * @param {number} id
   * @param {string} json
   * @returns {Verified}
   */
  add(id, json) {
    /** @type {Verified} */
    const parsed = JSON.parse(json);
    const flat = isFlat(parsed.payload) && isFlat(parsed.protectedHeader);
    if (flat) {
      const { payload, protectedHeader } = this.#last;
      shareTexts(parsed.payload, payload);
      if (isEqual(parsed.protectedHeader, protectedHeader)) {
        parsed.protectedHeader = protectedHeader;
      }
      this.#last = parsed;
    }
    this.#templates.set(id, flat ? parsed : json);
    this.#lengths.set(id, json.length);
    this.#length += json.length;
    for (const [oldest, length] of this.#lengths) {
      if (this.#length <= this.#maxLength) {
        break;
      }
      this.#templates.delete(oldest);
      this.#lengths.delete(oldest);
      this.#length -= length;
    }
    return flat ? copyOf(parsed) : parsed;
  }
}

/** @typedef {{ payload: object, protectedHeader: object }} Verified */

/** @param {Verified} verified */
function copyOf({ payload, protectedHeader }) {
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
