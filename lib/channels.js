'use strict';

const { channel } = require('node:diagnostics_channel');

const { NativeClient } = require('../binding.js');
const { StackAuthError } = require('./errors.js');

/**
 * @import { VerifyMessage } from '../index.js'
 * @import { Bound } from './calls.js'
 */

/** Node's diagnostics channels; see index.d.ts. */
const refresh = channel('stack-auth-native:keys:refresh');
const error = channel('stack-auth-native:keys:error');
const verify = channel('stack-auth-native:verify');

NativeClient.onKeyFetch((fetch) => {
  // Without a prototype, for a polluted one may have a `failure`.
  const members = Object.assign(Object.create(null), fetch);
  const { url, duration, kids, failure, failuresInARow, nextAttemptIn } = members;
  if (failure && error.hasSubscribers) {
    const reason = new StackAuthError(failure);
    error.publish({ url, duration, error: reason, failuresInARow, nextAttemptIn });
  } else if (!failure && refresh.hasSubscribers) {
    refresh.publish({ url, duration, kids });
  }
});

/**
 * Publishes how a call ended.
 *
 * @template T
 * @param {VerifyMessage['operation']} operation
 * @param {Bound} bound
 * @param {() => Promise<T>} call
 * @param {(result: T) => string} userIdOf
 */
async function published(operation, { settings: { projectId } }, call, userIdOf) {
  const start = performance.now();
  /** @param {Pick<VerifyMessage, 'code' | 'error' | 'userId'>} outcome */
  const publish = (outcome) =>
    verify.publish({ operation, projectId, duration: performance.now() - start, ...outcome });
  try {
    const result = await call();
    publish({ userId: userIdOf(result) });
    return result;
  } catch (error) {
    publish({ code: /** @type {any} */ (error).code, error });
    throw error;
  }
}

module.exports = { published, verify };
