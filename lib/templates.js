'use strict';

/**
 * Results of remembered tokens, by the number that the native side gave them, to be copied for each
 * call: a copy takes a twentieth of the time that parsing takes. Bounded by the length of the JSON.
 */
class Templates {
  /** Per thread, in characters of JSON; the objects made of them take about twice that in bytes. */
  static #SHARE = 1 / 8;
  static #DEFAULT_BYTES = 16 * 1_024 * 1_024;
  /** @type {Map<number, Templates>} */
  static #all = new Map();

  /** @type {Map<number, Template>} */
  #templates = new Map();
  #length = 0;
  /** @type {number} */
  #maxLength;

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

  /** @param {number} id */
  copy(id) {
    const template = this.#templates.get(id);
    return template?.flat ? copyOf(template.flat) : template && JSON.parse(template.json);
  }

  /**
   * @param {number} id
   * @param {string} json
   */
  add(id, json) {
    const parsed = JSON.parse(json);
    const flat = isFlat(parsed.payload) && isFlat(parsed.protectedHeader);
    const { length } = json;
    this.#templates.set(id, flat ? { length, json: '', flat: parsed } : { length, json });
    this.#length += length;
    for (const [oldest, template] of this.#templates) {
      if (this.#length <= this.#maxLength) {
        break;
      }
      this.#templates.delete(oldest);
      this.#length -= template.length;
    }
    return flat ? copyOf(parsed) : parsed;
  }
}

/**
 * @typedef {{ payload: object, protectedHeader: object }} Verified
 * @typedef {object} Template
 * @property {number} length
 * @property {string} json parsed each time, if there are objects inside
 * @property {Verified} [flat] copied each time, if there are none
 */

/** @param {Verified} verified */
function copyOf({ payload, protectedHeader }) {
  return { payload: { ...payload }, protectedHeader: { ...protectedHeader } };
}

/** @param {object} object */
function isFlat(object) {
  return Object.values(object).every((value) => Object(value) !== value);
}

module.exports = { Templates };
