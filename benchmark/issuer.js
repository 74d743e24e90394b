// Serves the key set and one user from a process of its own, as another machine would.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

import { jwks } from './tokens.js';

const file = fileURLToPath(import.meta.url);

export const PROJECT_ID = 'b3a0c2d4-1e5f-4a6b-8c7d-9e0f1a2b3c4d';

/** About as large as `users/me` answers. */
const USER = {
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
  server_metadata: { plan: 'pro', seats: 12, features: ['a', 'b', 'c'] },
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
};

/** Starts it; `keys` are this process's. */
export async function startIssuer() {
  const child = fork(file, ['serve', JSON.stringify(jwks)]);
  const [port] = await once(child, 'message');
  const baseUrl = `http://127.0.0.1:${port}`;
  const issuer = `${baseUrl}/api/v1/projects/${PROJECT_ID}`;
  return { baseUrl, projectId: PROJECT_ID, issuer, stop: () => child.kill() };
}

if (process.argv[1] === file && process.argv[2] === 'serve') {
  const [keys, user] = [process.argv[3], JSON.stringify(USER)];
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(request.url?.endsWith('/jwks.json') ? keys : user);
  });
  server.listen(0, '127.0.0.1', () => process.send?.(server.address().port));
  process.on('disconnect', () => process.exit());
}
