// Checked by tsc alone: what must compile does, and what must not compile does not.

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';

import type { Request as ExpressRequest } from 'express';
import type { JWTVerifyResult } from 'jose';

import {
  type AccessTokenClaims,
  accessTokenFrom,
  type CurrentUser,
  type ExportedKeys,
  getUser,
  StackAuth,
  StackAuthError,
  type StackAuthErrorCode,
  type StackAuthOptions,
  type VerifiedJwt,
  verifyJwt,
} from '../index.js';
import { type SignInOptions, type StackAuthStandIn, startStackAuth } from '../testing.js';

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(..._: Same<A, B> extends true ? [] : ['the types differ']): void;

declare const token: string;
declare const request: ExpressRequest;

export async function verified() {
  const jwt = await verifyJwt(token, { projectId: 'p', allowAnonymous: true });
  same<typeof jwt, VerifiedJwt>();
  same<typeof jwt.payload.sub, string>();
  same<typeof jwt.payload.exp, number>();
  same<typeof jwt.payload.email, string | null | undefined>();
  same<typeof jwt.payload.something_new, unknown>();
  same<typeof jwt.protectedHeader.alg, 'ES256'>();

  // Code written for jose's result takes ours.
  const likeJose: Pick<JWTVerifyResult<AccessTokenClaims>, 'payload' | 'protectedHeader'> = jwt;
  return likeJose;
}

export async function user() {
  const me = await getUser(token, { secretServerKey: 's', accessType: 'client', maxAge: 1_000 });
  same<typeof me, CurrentUser>();
  same<typeof me.id, string>();
  same<typeof me.primary_email, string | null>();
  same<typeof me.something_new, unknown>();
}

export async function client(options: StackAuthOptions) {
  const stackAuth = new StackAuth(options);
  same<Awaited<ReturnType<typeof stackAuth.verifyJwt>>, VerifiedJwt>();
  same<Awaited<ReturnType<typeof stackAuth.getUser>>, CurrentUser>();
  same<ReturnType<typeof stackAuth.warmUp>, Promise<void>>();
  same<ReturnType<typeof stackAuth.exportKeys>, ExportedKeys | undefined>();
  await stackAuth.verifyJwt(token, { signal: AbortSignal.timeout(100) });
  return new StackAuth({ keys: stackAuth.exportKeys() });
}

export function errors(error: unknown): string {
  if (!(error instanceof StackAuthError)) return 'another';
  same<typeof error.code, StackAuthErrorCode>();
  same<typeof error.status, 400 | 401 | 403 | 500 | 503>();
  switch (error.code) {
    case 'ERR_JWT_EXPIRED':
      return 'expired';
    case 'ERR_CONFIG':
      return 'ours';
    // @ts-expect-error: the union of codes is closed
    case 'ERR_JWT_EXPIRD':
      return 'never';
    default:
      return error.code;
  }
}

export function tokens(
  requests: ExpressRequest | IncomingMessage | Http2ServerRequest | Request,
  headers: Headers | IncomingHttpHeaders | Record<string, string> | { Authorization: string },
) {
  same<ReturnType<typeof accessTokenFrom>, string | undefined>();
  accessTokenFrom(requests);
  accessTokenFrom(headers);
  accessTokenFrom({ headers }, { cookies: true });
  // @ts-expect-error: none may be there
  verifyJwt(accessTokenFrom(requests));
  // @ts-expect-error: to be awaited
  accessTokenFrom(Promise.resolve(new Headers()));
  // @ts-expect-error: no request
  accessTokenFrom('Bearer x');
  // @ts-expect-error: a typing slip must not do nothing
  accessTokenFrom(requests, { cookie: true });
}

export async function kit() {
  await using stack = await startStackAuth({ requirePublishableClientKey: true });
  same<typeof stack, StackAuthStandIn>();
  new StackAuth({ ...stack.options, currentDate: stack.clock });
  Object.assign(process.env, stack.env);
  stack.clock = new Date();
  stack.clock = undefined;
  const { user: me, accessToken } = stack.signIn({
    email: 'a@example.com',
    type: 'restricted',
    fields: { server_metadata: { plan: 'pro' } },
    claims: { is_restricted: undefined, something_new: 1 },
  });
  same<typeof me, CurrentUser>();
  same<typeof accessToken, string>();
  stack.deleteUser(me);
  stack.deleteUser(me.id);
  await stack.outage('rateLimit', { retryAfter: 1 });
  // @ts-expect-error: there is no such kind
  await stack.outage('slow');
  // @ts-expect-error: seconds
  stack.signIn({ expiresIn: '10m' });
  // @ts-expect-error: a typing slip
  stack.signIn({ expires_in: 1 } satisfies SignInOptions);
  // @ts-expect-error: where it is, is not for tests to say
  stack.options = {};
}

export function mistakes() {
  // @ts-expect-error: a header may be missing
  verifyJwt(request.get('x-stack-access-token'));
  // @ts-expect-error: a typing slip must not switch a check off
  verifyJwt(token, { projectID: 'p' });
  // @ts-expect-error: this one is for users
  verifyJwt(token, { maxAge: 1_000 });
  // @ts-expect-error: seconds, not jose's text
  verifyJwt(token, { clockTolerance: '5s' });
  // @ts-expect-error: a Date
  verifyJwt(token, { currentDate: Date.now() });
  // @ts-expect-error: server or client
  getUser(token, { accessType: 'admin' });
  // @ts-expect-error: errors are ours to make
  new StackAuthError();
  // @ts-expect-error: a promise has no payload
  verifyJwt(token).payload;
  // @ts-expect-error: a key set without its time
  new StackAuth({ keys: { keys: [] } });
}
