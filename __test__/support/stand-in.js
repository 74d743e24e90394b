// A stand-in for Stack Auth on loopback: its tokens, key sets and errors are made by Stack Auth's
// own code, `@stackframe/stack-shared`.

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

// Its CommonJS build: the ESM one does not resolve in Node.
const load = createRequire(import.meta.url);
const { getPrivateJwks, getPublicJwkSet, signJWT } = load(
  '@stackframe/stack-shared/dist/utils/jwt',
);
export const { KnownErrors } = load('@stackframe/stack-shared');

const SECRETS = [
  '23-wuNpik0gIW4mruTz25rbIvhuuvZFrLOLtL7J4tyo',
  '7d8pfdRXBvDgQXr0DF_7UTeJvJIB3dmBnfBlVXvTw7c',
  'qDhUuGUIU6eI7BBHa3hvN0DZyYbEgbnGxUmYFKdCS0g',
];

/**
 * @typedef {'regular' | 'restricted' | 'anonymous'} UserType
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 */

const USER_TYPES = {
  regular: { collection: 'projects', suffix: '' },
  restricted: { collection: 'projects-restricted-users', suffix: ':restricted' },
  anonymous: { collection: 'projects-anonymous-users', suffix: ':anon' },
};

/**
 * @param {string} secret
 * @param {string} audience
 */
async function keysOf(secret, audience) {
  process.env.STACK_SERVER_SECRET = secret;
  return getPublicJwkSet(await getPrivateJwks({ audience }));
}

/** The state of the stand-in, and what tests do to it. */
export class StandIn {
  /** Its own, for ports come back, and the addon remembers key sets by address. */
  projectId = /** @type {string} */ (randomUUID());
  secretServerKey = 'ssk_stand-in_0123456789';
  /** What came in, oldest first: `"/api/v1/users/me"`. */
  requests = /** @type {Request[]} */ ([]);
  /** Answers in place of the usual answer, if it returns true. */
  intercept = /** @type {undefined | ((request: Request, response: Response) => unknown)} */ (
    undefined
  );
  /** Users by id, as `users/me` gives them. */
  users = /** @type {Map<string, object>} */ (new Map());
  /** Which secrets' keys are published; the first signs. */
  secrets = SECRETS.slice(0, 1);
  url = '';
  #server = createServer((request, response) => this.answer(request, response));

  static async start() {
    const standIn = new StandIn();
    await standIn.listen(0);
    return standIn;
  }

  /** @param {number} port */
  async listen(port) {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = /** @type {import('node:net').AddressInfo} */ (this.#server.address());
    this.url = `http://127.0.0.1:${address.port}`;
  }

  /** Refuses connections from now on, until `listen`. */
  async close() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  get options() {
    const { projectId, secretServerKey, url } = this;
    return { projectId, secretServerKey, baseUrl: url };
  }

  /** Signs with a new secret; the old one's keys stay published unless they are withdrawn. */
  rotate({ withdraw = false } = {}) {
    const next = SECRETS.indexOf(this.secrets[0] ?? '') + 1;
    const secret = SECRETS[next % SECRETS.length] ?? '';
    this.secrets = withdraw ? [secret] : [secret, ...this.secrets];
  }

  /** @param {string} path */
  count(path) {
    return this.requests.filter((request) => request.url?.includes(path)).length;
  }

  get jwksRequests() {
    return this.count('/.well-known/jwks.json');
  }

  get userRequests() {
    return this.count('/users/me');
  }

  /**
   * @param {{ type?: UserType, claims?: object, expiresIn?: number, projectId?: string, base?: string }} [options]
   *   `expiresIn` is in seconds
   */
  async mint({ type = 'regular', claims = {}, expiresIn = 600, projectId, base } = {}) {
    const project = projectId ?? this.projectId;
    const { collection, suffix } = USER_TYPES[type];
    process.env.STACK_SERVER_SECRET = this.secrets[0];
    return signJWT({
      issuer: `${base ?? this.url}/api/v1/${collection}/${project}`,
      audience: `${project}${suffix}`,
      expirationTime: new Date(Date.now() + expiresIn * 1_000),
      payload: { ...claimsOf(type, project), ...claims },
    });
  }

  /** The key set that a query asks for. @param {URLSearchParams} query */
  async keySet(query = new URLSearchParams()) {
    const anonymous = query.get('include_anonymous') === 'true';
    const restricted = anonymous || query.get('include_restricted') === 'true';
    const suffixes = ['', ...(restricted ? [':restricted'] : []), ...(anonymous ? [':anon'] : [])];
    const keys = [];
    for (const suffix of suffixes) {
      for (const secret of this.secrets) {
        keys.push(...(await keysOf(secret, `${this.projectId}${suffix}`)).keys);
      }
    }
    return { keys };
  }

  /**
   * For servers of other kinds that stand in front of it.
   *
   * @param {Request} request
   * @param {Response} response
   */
  async answer(request, response) {
    this.requests.push(request);
    if (await this.intercept?.(request, response)) {
      return;
    }
    const url = new URL(/** @type {string} */ (request.url), this.url);
    if (url.pathname === `/api/v1/projects/${this.projectId}/.well-known/jwks.json`) {
      const headers = { 'cache-control': 'public, max-age=3600' };
      return sendJson(response, 200, await this.keySet(url.searchParams), headers);
    }
    if (url.pathname.endsWith('/jwks.json')) {
      return response.writeHead(404, { 'content-type': 'text/plain' }).end('Project not found');
    }
    if (url.pathname === '/api/v1/users/me') {
      return this.#answerUser(request, response);
    }
    response.writeHead(404, { 'content-type': 'text/plain' }).end('Not found');
  }

  /**
   * @param {Request} request
   * @param {Response} response
   */
  #answerUser({ headers }, response) {
    const server = headers['x-stack-access-type'] === 'server';
    if (server && headers['x-stack-secret-server-key'] !== this.secretServerKey) {
      return sendError(response, new KnownErrors.InvalidSecretServerKey(this.projectId));
    }
    const payload = String(headers['x-stack-access-token']).split('.')[1] ?? '';
    let claims;
    try {
      claims = Object(JSON.parse(String(Buffer.from(payload, 'base64url'))));
    } catch {
      return sendError(response, new KnownErrors.UnparsableAccessToken());
    }
    if (claims.exp * 1_000 <= Date.now()) {
      return sendError(response, new KnownErrors.AccessTokenExpired(new Date(claims.exp * 1_000)));
    }
    const user = this.users.get(claims.sub);
    if (!user) {
      return sendError(response, new KnownErrors.CannotGetOwnUserWithoutUser());
    }
    sendJson(response, 200, user);
  }
}

/**
 * @param {UserType} type
 * @param {string} projectId
 */
function claimsOf(type, projectId) {
  return {
    sub: '5c2f6e0a-3d1b-4b7e-9a8c-0f1e2d3c4b5a',
    project_id: projectId,
    branch_id: 'main',
    refresh_token_id: 'e7d6c5b4-a392-4817-8605-f4e3d2c1b0a9',
    role: 'authenticated',
    name: 'Ada Lovelace',
    email: 'ada@example.com',
    email_verified: type === 'regular',
    selected_team_id: null,
    signed_up_at: 1_760_000_000,
    is_anonymous: type === 'anonymous',
    is_restricted: type !== 'regular',
    restricted_reason: {
      regular: null,
      restricted: { type: 'email_not_verified' },
      anonymous: { type: 'anonymous' },
    }[type],
    requires_totp_mfa: false,
  };
}

/** A user as `users/me` gives it to a server. @param {object} [fields] */
export function userOf(fields) {
  return {
    id: '5c2f6e0a-3d1b-4b7e-9a8c-0f1e2d3c4b5a',
    primary_email: 'ada@example.com',
    primary_email_verified: true,
    primary_email_auth_enabled: true,
    display_name: 'Ada Lovelace',
    profile_image_url: null,
    signed_up_at_millis: 1_760_000_000_000,
    last_active_at_millis: 1_760_000_100_000,
    client_metadata: null,
    client_read_only_metadata: null,
    server_metadata: { plan: 'pro' },
    has_password: true,
    otp_auth_enabled: false,
    passkey_auth_enabled: false,
    auth_with_email: true,
    requires_totp_mfa: false,
    is_anonymous: false,
    is_restricted: false,
    restricted_reason: null,
    restricted_by_admin: false,
    restricted_by_admin_reason: null,
    restricted_by_admin_private_details: null,
    country_code: 'GB',
    risk_scores: { sign_up: { bot: 1, free_trial_abuse: 2 } },
    oauth_providers: [],
    selected_team_id: null,
    selected_team: null,
    ...fields,
  };
}

/**
 * @param {Response} response
 * @param {number} status
 * @param {unknown} body
 * @param {object} [headers]
 */
export function sendJson(response, status, body, headers) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/**
 * One of Stack Auth's known errors, in its own bytes.
 *
 * @param {Response} response
 * @param {any} error
 */
export function sendError(response, error) {
  response.writeHead(error.statusCode, error.getHeaders()).end(error.getBody());
}
