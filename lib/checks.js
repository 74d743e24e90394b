'use strict';

const { availableParallelism } = require('node:os');
const { nextTick } = require('node:process');
const { setImmediate } = require('node:timers');

const { Batch } = require('../binding.js');
const { verifiedOf } = require('./verified.js');

/**
 * @import { Failure } from '../binding'
 * @import { Verified } from './verified.js'
 */

/**
 * What became of a check; `undefined` if keys must be waited for.
 *
 * @typedef {Verified | Failure | undefined} Outcome
 */

// Where signatures are checked. A lone one is checked in place, since a hop to another thread and back takes longer
// than it saves, and so are the first few that come in callbacks of their own, as requests do. Others are gathered until
// the microtasks that are queued already have run, and then go to other threads in chunks.

const THREADS = availableParallelism();
/** Enough to make the hop cheap, and few enough not to delay the next chunk for long. */
const CHUNK = 24;
/** So many chunks keep the threads busy; checks that come meanwhile go together, when one of them is done. */
const ENOUGH_CHUNKS = 2 * THREADS;
/** Callbacks of one turn of the event loop that may check in place: four in a row are done as soon as on threads. */
const CALLBACKS_IN_PLACE = 4;
/** As in src/binding/batch.rs: what to do with a token, in place of a ticket; and an outcome. */
const IN_PLACE = 0;
const RECALL = -1;
const KEYLESS = 0;

const batch = new Batch();
/** @type {Array<{ ticket: number, resolve: (outcome: Outcome | Promise<never>) => void }>} */
let waiting = [];
let tickets = 0;
/** Checks made in place since the microtasks last ran, gathered, or on other threads. */
let underWay = 0;
let chunksUnderWay = 0;
/** Whether a check was made in place in this callback; and in how many earlier ones of this turn. */
let isCounted = false;
let callbacksInPlace = 0;

const checks = {
  IN_PLACE,
  RECALL,

  /** The native check, by any client of this thread. What is to be gathered goes into the batch. */
  verify: batch.verifier(),

  /** A ticket to put a check into the batch under; or `IN_PLACE` if it is alone, or among the first few of a turn. */
  ticket() {
    if (underWay === 0 && callbacksInPlace < CALLBACKS_IN_PLACE) {
      return IN_PLACE;
    }
    tickets += 1;
    return tickets;
  },

  /** A check was made in place: those that follow before the microtasks run are not alone. */
  countInPlace() {
    resolved.then(leave);
    underWay += 1;
    if (!isCounted) {
      nextTick(endCallback);
      isCounted = true;
    }
  },

  /**
   * A check was put into the batch. All are sent in a microtask: the stack of this caller may overflow, and must not
   * take the checks of others with it.
   *
   * @param {number} ticket
   * @returns {Promise<Outcome>}
   */
  gathered(ticket) {
    return new Promise((resolve) => {
      if (waiting.length === 0 || waiting.length === CHUNK - 1) {
        resolved.then(sendAll);
      }
      waiting.push({ ticket, resolve });
      underWay += 1;
    });
  },
};

const resolved = Promise.resolve();
const leave = () => {
  underWay -= 1;
};

/** While callers await one check after the other, no tick comes between. */
function endCallback() {
  isCounted = false;
  callbacksInPlace += 1;
  if (callbacksInPlace === 1) {
    // A reference would keep a process that verifies `beforeExit` alive for ever. Some stand-ins for it return none.
    setImmediate(endTurn)?.unref?.();
  }
}

function endTurn() {
  callbacksInPlace = 0;
}

/** In chunks of equal size, and as many for each idle thread: if one had more, the others would wait for it. */
function sendAll() {
  if (waiting.length < CHUNK && chunksUnderWay >= ENOUGH_CHUNKS) {
    return;
  }
  const all = waiting;
  waiting = [];
  const idle = Math.max(THREADS - chunksUnderWay, 1);
  const chunks = Math.ceil(all.length / CHUNK / idle) * idle;
  const size = Math.ceil(all.length / chunks);
  for (let start = 0; start < all.length; start += size) {
    send(all.slice(start, start + size));
  }
}

/** @param {typeof waiting} chunk */
async function send(chunk) {
  chunksUnderWay += 1;
  try {
    const { json, failures } = await batch.run(chunk.map(({ ticket }) => ticket));
    const outcomes = JSON.parse(json);
    let refused = 0;
    for (const [at, { resolve }] of chunk.entries()) {
      const outcome = outcomes[at];
      if (outcome === null) {
        resolve(failures[refused++]);
      } else {
        resolve(outcome === KEYLESS ? undefined : verifiedOf(outcome));
      }
    }
  } catch (error) {
    for (const { resolve } of chunk) {
      resolve(Promise.reject(error));
    }
  } finally {
    chunksUnderWay -= 1;
    underWay -= chunk.length;
    resolved.then(sendAll);
  }
}

module.exports = checks;
