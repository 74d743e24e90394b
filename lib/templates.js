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
    if (!template?.flat) {
      return template && JSON.parse(template.json);
    }
    const { payload, protectedHeader } = template.flat;
    return { payload: { ...payload }, protectedHeader: { ...protectedHeader } };
  }

  /**
   * @param {number} id
   * @param {string} json
   */
  add(id, json) {
    const parsed = JSON.parse(json);
    const flat = isFlat(parsed.payload) && isFlat(parsed.protectedHeader);
    this.#templates.set(id, { json, flat: flat ? parsed : undefined });
    this.#length += json.length;
    for (const [oldest, template] of this.#templates) {
      if (this.#length <= this.#maxLength) {
        break;
      }
      this.#templates.delete(oldest);
      this.#length -= template.json.length;
    }
    return JSON.parse(json);
  }
}

/**
 * @typedef {object} Template
 * @property {string} json
 * @property {{ payload: object, protectedHeader: object } | undefined} flat what can be copied, having
 *   no objects inside; the rest is parsed each time
 */

/** @param {object} object */
function isFlat(object) {
  return Object.values(object).every((value) => Object(value) !== value);
}

module.exports = { Templates };
