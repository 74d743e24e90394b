'use strict';

const { Refusal } = require('./errors.js');
const { USER_TYPES, clientView } = require('./users.js');

/**
 * @import { IncomingHttpHeaders } from 'node:http'
 * @import { CurrentUser } from '../../index.js'
 * @import { Keys } from './keys.js'
 */

/**
 * @typedef {{ status: number, headers: Record<string, string>, body: string }} Answer
 *
 * @typedef {object} Project
 * @property {string} projectId
 * @property {string} secretServerKey
 * @property {string} publishableClientKey
 * @property {boolean} requirePublishableClientKey
 * @property {string} baseUrl
 * @property {InstanceType<typeof Keys>} keys
 * @property {Map<string, CurrentUser>} users
 * @property {Date} clock
 */

const KEY_SET = /^\/api\/v1\/projects\/([^/]+)\/\.well-known\/jwks\.json$/;

/**
 * @param {Project} project
 * @param {string} method
 * @param {string} target path and query
 * @param {IncomingHttpHeaders} headers
 * @returns {Answer}
 */
function answerTo(project, method, target, headers) {
  const answer = answered(project, method, target, headers);
  const { status } = answer;
  // What Stack Auth's SDK asks for.
  if (headers['x-stack-override-error-status'] !== undefined && status >= 400) {
    const actual = { 'x-stack-actual-status': String(status) };
    return { ...answer, status: 200, headers: { ...answer.headers, ...actual } };
  }
  return answer;
}

/** @type {typeof answerTo} */
function answered(project, method, target, headers) {
  const [path = '', search] = target.split('?');
  const query = new URLSearchParams(search);
  const projectId = KEY_SET.exec(path)?.[1];
  try {
    if (method === 'GET' && projectId !== undefined) {
      return keySet(project, projectId, path, query);
    }
    if (method === 'GET' && path === '/api/v1/users/me') {
      return json(currentUser(project, path, query, headers));
    }
    return plain(
      404,
      'The stand-in for Stack Auth has GET of jwks.json and users/me, and no more.',
    );
  } catch (error) {
    if (error instanceof Refusal) {
      return error.answer;
    }
    // A test may have put anything into a user. Thrown here, it would end the process.
    return plain(500, `The stand-in for Stack Auth could not answer: ${error}`);
  }
}

/**
 * @param {Project} project
 * @param {string} projectId
 * @param {string} path
 * @param {URLSearchParams} query
 */
function keySet({ projectId: own, keys }, projectId, path, query) {
  checkQuery(path, query, ['include_restricted', 'include_anonymous']);
  if (projectId !== own) {
    return plain(404, 'Project not found');
  }
  const anonymous = query.get('include_anonymous') === 'true';
  const restricted = anonymous || query.get('include_restricted') === 'true';
  const audiences = [
    own,
    ...(restricted ? [own + USER_TYPES.restricted.suffix] : []),
    ...(anonymous ? [own + USER_TYPES.anonymous.suffix] : []),
  ];
  return json(keys.jwks(audiences), { 'cache-control': 'public, max-age=3600' });
}

/**
 * The checks stand in the order in which Stack Auth makes them.
 *
 * @param {Project} project
 * @param {string} path
 * @param {URLSearchParams} query
 * @param {IncomingHttpHeaders} headers
 */
function currentUser(project, path, query, headers) {
  /** The names of both brands count. @type {(name: string) => string | undefined} */
  const header = (name) =>
    String(headers[`x-hexclave-${name}`] ?? headers[`x-stack-${name}`] ?? '') || undefined;
  const keys = {
    client: header('publishable-client-key'),
    server: header('secret-server-key'),
    admin: header('super-secret-admin-key'),
  };
  const type = header('access-type');
  if (type === undefined) {
    const some = keys.client ?? keys.server ?? keys.admin;
    throw new Refusal(some ? 'PROJECT_KEY_WITHOUT_ACCESS_TYPE' : 'ACCESS_TYPE_REQUIRED');
  }
  if (type !== 'client' && type !== 'server' && type !== 'admin') {
    throw new Refusal('INVALID_ACCESS_TYPE', type);
  }
  const projectId = header('project-id');
  if (projectId === undefined) {
    throw new Refusal('ACCESS_TYPE_WITHOUT_PROJECT_ID', type);
  }
  const token = header('access-token');
  const userId = token && userIdOf(project, projectId, token, header);
  if (projectId !== project.projectId) {
    throw new Refusal('CURRENT_PROJECT_NOT_FOUND', projectId);
  }
  checkKey(project, type, keys[type]);
  const branch = header('branch-id') ?? 'main';
  if (branch !== 'main') {
    throw new Refusal('BRANCH_DOES_NOT_EXIST', branch);
  }
  checkQuery(path, query, []);
  const user = userId && project.users.get(userId);
  if (!user) {
    throw new Refusal('CANNOT_GET_OWN_USER_WITHOUT_USER');
  }
  return type === 'client' ? clientView(user) : user;
}

/**
 * @param {Project} project
 * @param {string} projectId
 * @param {string} token
 * @param {(name: string) => string | undefined} header
 * @returns {string}
 */
function userIdOf(project, projectId, token, header) {
  const claims = project.keys.open(token);
  if (!claims || !Number.isFinite(claims.exp) || claims.iss !== issuerOf(project, claims.aud)) {
    throw new Refusal('UNPARSABLE_ACCESS_TOKEN');
  }
  const { sub, exp, is_anonymous, restricted_reason, refresh_token_id } = claims;
  if (exp * 1_000 <= project.clock.getTime()) {
    const expiredAt = new Date(exp * 1_000);
    throw new Refusal('ACCESS_TOKEN_EXPIRED', expiredAt, project.projectId, sub, refresh_token_id);
  }
  if (projectId !== project.projectId) {
    throw new Refusal('INVALID_PROJECT_FOR_ACCESS_TOKEN', projectId, project.projectId);
  }
  const anonymousAllowed = header('allow-anonymous-user') === 'true';
  if (is_anonymous && !anonymousAllowed) {
    throw new Refusal('ANONYMOUS_AUTHENTICATION_NOT_ALLOWED');
  }
  if (restricted_reason && !anonymousAllowed && header('allow-restricted-user') !== 'true') {
    throw new Refusal('RESTRICTED_USER_NOT_ALLOWED', restricted_reason);
  }
  return sub;
}

/**
 * @param {Project} project
 * @param {'client' | 'server' | 'admin'} type
 * @param {string | undefined} key
 */
function checkKey(project, type, key) {
  const { projectId } = project;
  if (type === 'admin') {
    throw key === undefined
      ? new Refusal('ADMIN_AUTHENTICATION_REQUIRED')
      : new Refusal('INVALID_SUPER_SECRET_ADMIN_KEY', projectId);
  }
  if (type === 'server' && key !== project.secretServerKey) {
    throw key === undefined
      ? new Refusal('SERVER_AUTHENTICATION_REQUIRED')
      : new Refusal('INVALID_SECRET_SERVER_KEY', projectId);
  }
  if (type === 'client' && key === undefined && project.requirePublishableClientKey) {
    throw new Refusal('PUBLISHABLE_CLIENT_KEY_REQUIRED_FOR_PROJECT', projectId);
  }
  if (type === 'client' && key !== undefined && key !== project.publishableClientKey) {
    throw new Refusal('INVALID_PUBLISHABLE_CLIENT_KEY', projectId);
  }
}

/**
 * @param {string} path
 * @param {URLSearchParams} query
 * @param {string[]} flags the names that may be there, as "true" or "false"
 */
function checkQuery(path, query, flags) {
  const wrong = flags
    .filter((name) => !['true', 'false'].includes(query.get(name) ?? 'false'))
    .map((name) => `query.${name} must be one of the following values: true, false`);
  const unknown = [...new Set(query.keys())].filter((name) => !flags.includes(name));
  if (unknown.length > 0) {
    wrong.push(`query contains unknown properties: ${unknown.join(', ')}`);
  }
  if (wrong.length > 0) {
    const list = wrong.map((message) => `\n  - ${message}`).join('');
    throw new Refusal('SCHEMA_ERROR', `Request validation failed on GET ${path}:${list}`);
  }
}

/**
 * @param {{ projectId: string, baseUrl: string }} project
 * @param {string} audience
 */
function issuerOf({ projectId, baseUrl }, audience) {
  const type = Object.values(USER_TYPES).find(({ suffix }) => projectId + suffix === audience);
  return type && `${baseUrl}/api/v1/${type.collection}/${projectId}`;
}

/**
 * @param {unknown} body
 * @param {Record<string, string>} [more]
 * @returns {Answer}
 */
function json(body, more) {
  const headers = { 'content-type': 'application/json; charset=utf-8', ...more };
  return { status: 200, headers, body: JSON.stringify(body) };
}

/**
 * An error without a code.
 *
 * @param {number} status
 * @param {string} body
 * @param {Record<string, string>} [more]
 * @returns {Answer}
 */
function plain(status, body, more) {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...more }, body };
}

module.exports = { answerTo, issuerOf, plain };
