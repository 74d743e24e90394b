'use strict';

const DOCS =
  'For more information, see the docs on REST API authentication: https://docs.hexclave.com/rest-api/overview#authentication';
/** @type {(key: string) => (project: string) => string} */
const invalid = (key) => (project) =>
  `The ${key} is not valid for the project ${JSON.stringify(project)}. Does the project and/or the key exist?`;
/** @type {(project: string) => object} */
const ofProject = (project) => ({ project_id: project });

/**
 * Stack Auth's known errors, in its own words: status, text, details.
 *
 * @type {Record<string, [number, (...values: any[]) => string, ((...values: any[]) => object)?]>}
 */
const KNOWN_ERRORS = {
  SCHEMA_ERROR: [400, (message) => message, (message) => ({ message })],
  PROJECT_KEY_WITHOUT_ACCESS_TYPE: [
    400,
    () =>
      "Either an API key or an admin access token was provided, but the x-hexclave-access-type header is missing. Set it to 'client', 'server', or 'admin' as appropriate. (The legacy x-stack-access-type header is also accepted.)",
  ],
  ACCESS_TYPE_REQUIRED: [
    400,
    () =>
      `You must specify an access level for this Hexclave project. Make sure project API keys are provided (eg. x-hexclave-publishable-client-key) and you set the x-hexclave-access-type header to 'client', 'server', or 'admin'. (The legacy x-stack-* equivalents are also accepted.)\n\n${DOCS}`,
  ],
  INVALID_ACCESS_TYPE: [
    400,
    (type) =>
      `The x-hexclave-access-type header must be 'client', 'server', or 'admin', but was '${type}'. (The legacy x-stack-access-type header is also accepted.)`,
  ],
  ACCESS_TYPE_WITHOUT_PROJECT_ID: [
    400,
    (type) =>
      `The x-hexclave-access-type header was '${type}', but the x-hexclave-project-id header was not provided. (The legacy x-stack-access-type and x-stack-project-id headers are also accepted.)\n\n${DOCS}`,
    (type) => ({ request_type: type }),
  ],
  CURRENT_PROJECT_NOT_FOUND: [
    400,
    (project) =>
      `The current project with ID ${project} was not found. Please check the value of the x-hexclave-project-id header. (The legacy x-stack-project-id header is also accepted.)`,
    ofProject,
  ],
  BRANCH_DOES_NOT_EXIST: [
    400,
    (branch) => `The branch with ID ${branch} does not exist.`,
    (branch) => ({ branch_id: branch }),
  ],
  CANNOT_GET_OWN_USER_WITHOUT_USER: [
    400,
    () => "You have specified 'me' as a userId, but did not provide authentication for a user.",
  ],
  UNPARSABLE_ACCESS_TOKEN: [401, () => 'Access token is not parsable.'],
  ACCESS_TOKEN_EXPIRED: [
    401,
    (expiredAt, project, user, session) =>
      `Access token has expired. Please refresh it and try again. (The access token expired at ${expiredAt.toISOString()}.) Project ID: ${project}.${user ? ` User ID: ${user}.` : ''}${session ? ` Refresh token ID: ${session}.` : ''}\n\nDebug info: Most likely, you fetched the access token before it expired (for example, in a server component, pre-rendered page, or on page load), but then didn't refresh it before it expired. If this is the case, and you're using the SDK, make sure you call getAccessToken() every time you need to use the access token. If you're not using the SDK, make sure you refresh the access token with the refresh endpoint.`,
    (expiredAt, project, user = null, session = null) => ({
      expired_at_millis: expiredAt.getTime(),
      project_id: project,
      user_id: user,
      refresh_token_id: session,
    }),
  ],
  INVALID_PROJECT_FOR_ACCESS_TOKEN: [
    401,
    (expected, actual) =>
      `Access token not valid for this project. Expected project ID ${JSON.stringify(expected)}, but the token is for project ID ${JSON.stringify(actual)}.`,
    (expected, actual) => ({ expected_project_id: expected, actual_project_id: actual }),
  ],
  ANONYMOUS_AUTHENTICATION_NOT_ALLOWED: [
    401,
    () =>
      "X-Stack-Access-Token is for an anonymous user, but anonymous users are not enabled. Set the X-Stack-Allow-Anonymous-User header of this request to 'true' to allow anonymous users.",
  ],
  RESTRICTED_USER_NOT_ALLOWED: [
    403,
    (reason) =>
      `The user in the access token is in restricted state. Reason: ${reason.type}. Please pass the X-Stack-Allow-Restricted-User header if this is intended.`,
    (reason) => ({ restricted_reason: reason }),
  ],
  SERVER_AUTHENTICATION_REQUIRED: [401, () => 'The secret server key must be provided.'],
  INVALID_SECRET_SERVER_KEY: [401, invalid('secret server key'), ofProject],
  ADMIN_AUTHENTICATION_REQUIRED: [401, () => 'The super secret admin key must be provided.'],
  INVALID_SUPER_SECRET_ADMIN_KEY: [401, invalid('super secret admin key'), ofProject],
  PUBLISHABLE_CLIENT_KEY_REQUIRED_FOR_PROJECT: [
    401,
    () =>
      'Publishable client keys are required for this project. Create one in Project Keys, or disable this requirement there to allow keyless client access.',
    ofProject,
  ],
  INVALID_PUBLISHABLE_CLIENT_KEY: [401, invalid('publishable key'), ofProject],
};

/** What Stack Auth refuses, with its answer. */
class Refusal extends Error {
  /**
   * @param {string} code
   * @param {any[]} values
   */
  constructor(code, ...values) {
    const known = KNOWN_ERRORS[code];
    if (!known) {
      throw new TypeError(`no known error ${code}`);
    }
    const [status, text, detailsOf] = known;
    const error = text(...values);
    super(error);
    this.answer = {
      status,
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'x-stack-known-error': code,
        'x-hexclave-known-error': code,
      },
      body: JSON.stringify({ code, details: detailsOf?.(...values), error }, undefined, 2),
    };
  }
}

module.exports = { KNOWN_ERRORS, Refusal };
