'use strict';

const { accessTokenFrom } = require('./lib/access-token.js');
const { Pending, bind, conclude, verify } = require('./lib/calls.js');
const channels = require('./lib/channels.js');
const { StackAuth, publishedVerification, user } = require('./lib/client.js');
const { StackAuthError } = require('./lib/errors.js');
const { ENVIRONMENT, readOptions } = require('./lib/options.js');
const { Recent } = require('./lib/recent.js');

/** @param {Array<[string, unknown]>} entries */
const read = (entries) => bind(readOptions(entries));
/** For servers with many tenants. */
const MAX_PROJECTS = 4_096;
const ofVerifyJwt = new Recent(MAX_PROJECTS, ['projectId', 'baseUrl'], read);
const ofGetUser = new Recent(MAX_PROJECTS, Object.keys(ENVIRONMENT), read);

/**
 * See index.d.ts, as for everything here.
 *
 * @param {unknown} accessToken
 * @param {unknown} [options]
 */
async function verifyJwt(accessToken, options) {
  const bound = ofVerifyJwt.boundOf(options);
  if (channels.verify.hasSubscribers) {
    return publishedVerification(bound, verifyJwt, accessToken);
  }
  const verified = verify(bound, verifyJwt, accessToken);
  const pending = Pending.outcomeOf(verified);
  return pending ? conclude(bound, verifyJwt, accessToken, await pending) : verified;
}

/**
 * @param {unknown} accessToken
 * @param {unknown} [options]
 */
async function getUser(accessToken, options) {
  return user(ofGetUser.boundOf(options), getUser, accessToken);
}

module.exports = { StackAuth, StackAuthError, accessTokenFrom, getUser, verifyJwt };
