// A process of its own, for an environment and a memory of its own: makes the calls that it is told to
// make, and says how they went.

import { getUser, StackAuth, verifyJwt } from '../../../index.js';
import { lateness } from '../lateness.js';

/** @import { Job, Outcome } from './callers.js' */

/** @param {Job} job @returns {Promise<unknown>} */
async function make({ call, token, options }) {
  switch (call) {
    case 'verifyJwt':
      return (await verifyJwt(token, options)).payload.sub;
    case 'getUser':
      return (await getUser(token, options)).id;
    case 'stats':
      return new StackAuth(options).stats().keys;
  }
}

/** @param {Job} job @returns {Promise<Outcome>} */
async function timed(job) {
  const [start, lateBefore] = [performance.now(), lateness()];
  const outcome = await make(job).then(
    (value) => ({ value }),
    ({ name, code, status, retryable, message, cause }) => ({
      error: { name, code, status, retryable },
      why: `${message}: ${cause?.message}`,
    }),
  );
  return { ...outcome, millis: performance.now() - start, late: lateness() - lateBefore };
}

process.on('message', async (/** @type {Job & { id: number }} */ { id, ...job }) => {
  const outcomes = await Promise.all(Array.from({ length: job.times }, () => timed(job)));
  process.send?.({ id, outcomes, maxRss: process.resourceUsage().maxRSS });
});
