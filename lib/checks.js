'use strict';

const { availableParallelism } = require('node:os');

const { Batch } = require('../binding.js');

/**
 * @import { Failure } from '../binding'
 * @import { Verified } from './templates.js'
 */

/**
 * Where signatures are checked. One that is alone is checked in place, since a hop to another thread
 * and back takes longer than it saves. From the second that is under way at the same time, they are
 * gathered until the end of the turn and go to other threads in chunks.
 */

/** Two for each thread, so that none is idle while the event loop takes in the outcomes of one. */
const CHUNKS = 2 * availableParallelism();
/** No token waits for more than so many before it. */
const MAX_CHUNK = 32;
/** As in src/binding/batch.rs. */
const IN_PLACE = 0;
const GATHER = 1;

const batch = new Batch();
/** @type {Array<(outcome: Verified | Failure | Promise<never>) => void>} */
let waiting = [];
/** Checks made in place since the last turn, gathered, or on other threads. */
let underWay = 0;
let chunksUnderWay = 0;

const checks = {
  /** What verifiers put checks into. */
  batch,

  get how() {
    return underWay > 0 ? GATHER : IN_PLACE;
  },

  /** A check was made in place: those that follow before the caller goes on are not alone. */
  countInPlace() {
    underWay += 1;
    resolved.then(leave);
  },

  /**
   * A check was put into the batch.
   *
   * @returns {Promise<Verified | Failure>}
   */
  gathered() {
    if (waiting.length === 0) {
      resolved.then(sendAll);
    }
    underWay += 1;
    return new Promise((resolve) => {
      waiting.push(resolve);
    });
  },
};

const resolved = Promise.resolve();
const leave = () => {
  underWay -= 1;
};

function sendAll() {
  const all = waiting;
  waiting = [];
  const chunks = Math.max(CHUNKS - chunksUnderWay, 1);
  const size = Math.min(Math.ceil(all.length / chunks), MAX_CHUNK);
  for (let start = 0; start < all.length; start += size) {
    send(all.slice(start, start + size));
  }
}

/** @param {typeof waiting} chunk */
async function send(chunk) {
  chunksUnderWay += 1;
  try {
    const { json, failures } = await batch.run(chunk.length);
    const [payloads, headers] = JSON.parse(json);
    for (let at = 0, refused = 0; at < chunk.length; at += 1) {
      const payload = payloads[at];
      chunk[at]?.(
        payload === null
          ? /** @type {Failure} */ (failures[refused++])
          : { payload, protectedHeader: headers[at] },
      );
    }
  } catch (error) {
    for (const resolve of chunk) {
      resolve(Promise.reject(error));
    }
  } finally {
    chunksUnderWay -= 1;
    underWay -= chunk.length;
  }
}

module.exports = checks;
