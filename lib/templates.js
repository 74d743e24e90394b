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
    return template && { payload: copy(template.payload), protectedHeader: copy(template.header) };
  }

  /**
   * @param {number} id
   * @param {string} json
   */
  add(id, json) {
    const { payload, protectedHeader } = JSON.parse(json);
    this.#length += json.length;
    this.#templates.set(id, {
      payload: part(payload),
      header: part(protectedHeader),
      length: json.length,
    });
    for (const [oldest, { length }] of this.#templates) {
      if (this.#length <= this.#maxLength) {
        break;
      }
      this.#templates.delete(oldest);
      this.#length -= length;
    }
  }
}

/**
 * @typedef {{ payload: Part, header: Part, length: number }} Template
 * @typedef {{ object: any, nested: string[] }} Part an object, and which members are no primitives
 */

/**
 * @param {any} object
 * @returns {Part}
 */
function part(object) {
  const nested = Object.keys(object).filter((name) => Object(object[name]) === object[name]);
  return { object, nested };
}

/** @param {Part} part */
function copy({ object, nested }) {
  const fresh = { ...object };
  for (const name of nested) {
    // Not by assignment, for a member can be called `__proto__`.
    const value = JSON.parse(JSON.stringify(object[name]));
    Object.defineProperty(fresh, name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return fresh;
}

module.exports = { Templates };
