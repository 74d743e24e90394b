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

const THREADS = availableParallelism();
/** As many as make the hop cheap, and so few that what waits behind them does not wait for long. */
const CHUNK = 16;
/** As in src/binding/batch.rs. */
const IN_PLACE = 0;
const GATHER = 1;
const SAME = 1;

const batch = new Batch();
/** @type {Array<(outcome: Verified | Failure | undefined | Promise<never>) => void>} */
const waiting = [];
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
   * A check was put into the batch. `undefined` comes back if keys must be waited for.
   *
   * @returns {Promise<Verified | Failure | undefined>}
   */
  gathered() {
    underWay += 1;
    return new Promise((resolve) => {
      if (waiting.push(resolve) === THREADS * CHUNK) {
        sendAll();
      } else if (waiting.length === 1) {
        resolved.then(sendAll);
      }
    });
  },
};

const resolved = Promise.resolve();
const leave = () => {
  underWay -= 1;
};

/** As soon as there is a chunk for each thread, or at the end of the turn; no thread is left idle. */
function sendAll() {
  const chunks = Math.max(THREADS - chunksUnderWay, Math.ceil(waiting.length / CHUNK));
  const size = Math.ceil(waiting.length / chunks);
  while (waiting.length > 0) {
    send(waiting.splice(0, size));
  }
}

/** @param {typeof waiting} chunk */
async function send(chunk) {
  chunksUnderWay += 1;
  try {
    const { json, failures } = await batch.run(chunk.length);
    const [payloads, headers] = JSON.parse(json);
    let header = {};
    let refused = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const payload = payloads[at];
      if (payload !== null) {
        header = headers[at] === SAME ? { ...header } : headers[at];
        chunk[at]?.({ payload, protectedHeader: header });
      } else {
        chunk[at]?.(headers[at] === null ? failures[refused++] : undefined);
      }
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
