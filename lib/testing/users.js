'use strict';

const { randomUUID } = require('node:crypto');

/**
 * @import { CurrentUser } from '../../index.js'
 * @import { SignInOptions, UserType } from '../../testing.js'
 */

/** How tokens of a user type are told apart, and what sets such a user apart. */
const USER_TYPES = {
  regular: { collection: 'projects', suffix: '', reason: null },
  restricted: {
    collection: 'projects-restricted-users',
    suffix: ':restricted',
    reason: 'email_not_verified',
  },
  anonymous: { collection: 'projects-anonymous-users', suffix: ':anon', reason: 'anonymous' },
};

/**
 * The fields that the type of a user settles.
 *
 * @param {UserType} type
 */
function fieldsOf(type) {
  const { reason } = USER_TYPES[type];
  return {
    primary_email_verified: type === 'regular',
    primary_email_auth_enabled: type !== 'anonymous',
    auth_with_email: type !== 'anonymous',
    has_password: type !== 'anonymous',
    is_anonymous: type === 'anonymous',
    is_restricted: type !== 'regular',
    restricted_reason: reason === null ? null : { type: reason },
    restricted_by_admin: false,
    restricted_by_admin_reason: null,
    restricted_by_admin_private_details: null,
  };
}

const RESTRICTED_BY_ADMIN = {
  is_restricted: true,
  restricted_reason: { type: 'restricted_by_administrator' },
};
const NOT_RESTRICTED = { is_restricted: false, restricted_reason: null };

/**
 * Changes a user as Stack Auth would; `fields` win.
 *
 * @param {CurrentUser} user
 * @param {SignInOptions & { fields: Partial<CurrentUser> }} options
 */
function update(user, { email, displayName, type = typeOf(user), fields }) {
  const hadEmail = user.primary_email !== null;
  const isOther = type !== typeOf(user);
  Object.assign(
    user,
    email !== undefined && { primary_email: normalized(email) },
    displayName !== undefined && { display_name: displayName || null },
    isOther && changesTo(type, typeOf(user)),
    fields,
  );
  // An address that is not there is not verified; one that was not there before is as those of a new user.
  const hasEmail = user.primary_email !== null;
  if (hasEmail !== hadEmail || (isOther && !hasEmail)) {
    const { primary_email_verified, primary_email_auth_enabled } = fieldsOf(type);
    Object.assign(
      user,
      {
        primary_email_verified: hasEmail && primary_email_verified,
        primary_email_auth_enabled: hasEmail && primary_email_auth_enabled,
      },
      fields,
    );
  }
  // The restriction of an administrator restricts, and ends with that.
  if (fields.is_restricted === undefined) {
    const isByAdmin = user.restricted_reason?.type === 'restricted_by_administrator';
    const { restricted_by_admin } = fields;
    Object.assign(
      user,
      restricted_by_admin && !user.is_restricted && RESTRICTED_BY_ADMIN,
      restricted_by_admin === false && isByAdmin && NOT_RESTRICTED,
      fields,
    );
  }
}

/**
 * As the service stores addresses: an empty one is none.
 *
 * @param {string | null | undefined} email
 */
function normalized(email) {
  return email?.trim().toLowerCase() || null;
}

/**
 * What changes in a user who becomes of another type. Only who was anonymous gets a password by it.
 *
 * @param {UserType} type
 * @param {UserType} before
 */
function changesTo(type, before) {
  const { has_password, auth_with_email, primary_email_auth_enabled, ...others } = fieldsOf(type);
  const isSignUp = type === 'anonymous' || before === 'anonymous';
  return isSignUp ? fieldsOf(type) : others;
}

/**
 * @param {number} now
 * @returns {CurrentUser}
 */
function newUser(now) {
  return {
    id: randomUUID(),
    primary_email: null,
    display_name: null,
    profile_image_url: null,
    signed_up_at_millis: now,
    last_active_at_millis: now,
    client_metadata: null,
    client_read_only_metadata: null,
    server_metadata: null,
    otp_auth_enabled: false,
    passkey_auth_enabled: false,
    requires_totp_mfa: false,
    country_code: null,
    risk_scores: { sign_up: { bot: 0, free_trial_abuse: 0 } },
    oauth_providers: [],
    selected_team_id: null,
    selected_team: null,
    ...fieldsOf('regular'),
  };
}

/**
 * @param {CurrentUser} user
 * @returns {UserType}
 */
function typeOf({ is_anonymous, is_restricted }) {
  if (is_anonymous) {
    return 'anonymous';
  }
  return is_restricted ? 'restricted' : 'regular';
}

/**
 * The claims of a new session, those of RFC 7519 aside.
 *
 * @param {CurrentUser} user
 * @param {string} projectId
 */
function claimsOf(user, projectId) {
  return {
    sub: user.id,
    project_id: projectId,
    branch_id: 'main',
    refresh_token_id: randomUUID(),
    role: 'authenticated',
    name: user.display_name,
    email: user.primary_email,
    email_verified: user.primary_email_verified,
    selected_team_id: user.selected_team_id,
    signed_up_at: Math.floor(user.signed_up_at_millis / 1_000),
    is_anonymous: user.is_anonymous,
    is_restricted: user.is_restricted,
    restricted_reason: user.restricted_reason,
    requires_totp_mfa: user.requires_totp_mfa,
  };
}

/**
 * The user without what only servers may see.
 *
 * @param {CurrentUser} user
 */
function clientView({
  primary_email_auth_enabled,
  last_active_at_millis,
  server_metadata,
  restricted_by_admin_private_details,
  country_code,
  risk_scores,
  ...user
}) {
  return { ...user, selected_team: user.selected_team && clientTeam(user.selected_team) };
}

/** @param {NonNullable<CurrentUser['selected_team']>} team */
function clientTeam({ created_at_millis, server_metadata, ...team }) {
  return team;
}

module.exports = { USER_TYPES, claimsOf, clientView, newUser, normalized, typeOf, update };
