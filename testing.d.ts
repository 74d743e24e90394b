/**
 * A stand-in for Stack Auth, for your own specs: it serves key sets and `users/me` on loopback as
 * Stack Auth does, and signs in users of your making. It depends on nothing, and works in vitest,
 * jest and `node:test`, from CommonJS and ES modules.
 *
 * Mocks of JavaScript's `fetch` do not see the requests of `stack-auth-native`, and fake timers do
 * not move its clock. This takes the place of both.
 *
 * @packageDocumentation
 */

import type { AccessTokenClaims, CurrentUser } from './index.js';

/**
 * Starts a stand-in on a port of 127.0.0.1 that is free. Each has a new project id, so that the key
 * cache of the process keeps them apart; any number can run at a time.
 *
 * It does not keep the process alive, so a test that forgets `stop()` does not hang its runner. A script that starts
 * one for other processes must keep itself alive.
 *
 * @throws `TypeError` on an unknown option
 *
 * @example
 * ```ts
 * const stack = await startStackAuth();
 * Object.assign(process.env, stack.env); // before your server is imported
 *
 * const { user, accessToken } = stack.signIn({ email: 'ada@example.com' });
 * expect(await getUser(accessToken, stack.options)).toEqual(user);
 *
 * await stack.outage('refuse');
 * await expect(getUser(accessToken, stack.options)).rejects.toMatchObject({ status: 503 });
 * await stack.stop();
 * ```
 */
export function startStackAuth(options?: StartOptions): Promise<StackAuthStandIn>;

/** Options of {@link startStackAuth}. */
export interface StartOptions {
  /**
   * The project's id: 1 to 64 of `A-Z`, `a-z`, `0-9` and `-`. A client takes no other. Only for
   * code that has one built in.
   *
   * @defaultValue a new UUID
   */
  projectId?: string | undefined;

  /**
   * Whether access of type `"client"` needs the publishable client key.
   *
   * @defaultValue `false`
   */
  requirePublishableClientKey?: boolean | undefined;
}

/** What {@link startStackAuth} resolves to: one project, its keys and its users. */
export interface StackAuthStandIn {
  /** What a client of `stack-auth-native` needs: `new StackAuth(stack.options)`. */
  readonly options: {
    /** The project's id. */
    projectId: string;
    /** The secret server key that counts; made up at the start. */
    secretServerKey: string;
    /** The publishable client key that counts; made up at the start. */
    publishableClientKey: string;
    /** `http://127.0.0.1:<port>`; it stays the same through outages. */
    baseUrl: string;
  };

  /**
   * The same as environment variables: `HEXCLAVE_PROJECT_ID`, `HEXCLAVE_SECRET_SERVER_KEY`,
   * `HEXCLAVE_PUBLISHABLE_CLIENT_KEY` and `HEXCLAVE_API_URL`, which win over all others.
   */
  readonly env: Record<
    | 'HEXCLAVE_PROJECT_ID'
    | 'HEXCLAVE_SECRET_SERVER_KEY'
    | 'HEXCLAVE_PUBLISHABLE_CLIENT_KEY'
    | 'HEXCLAVE_API_URL',
    string
  >;

  /**
   * The requests that arrived, oldest first, also during outages (but for `'refuse'`). Empty it with
   * `requests.length = 0`.
   */
  readonly requests: StackAuthRequest[];

  /**
   * What `iat` and `exp` of new tokens are reckoned from, and what `users/me` judges them by: the
   * system's clock (or your fake one), until it is set; then it stands still. `undefined` sets it back. What it gives
   * is a copy: to change it, set it.
   *
   * `stack-auth-native` does not see this clock. Pass it on as `currentDate`.
   *
   * @throws `TypeError` if it is set to anything but a valid `Date` or `undefined`
   *
   * @example
   * ```ts
   * const { accessToken } = stack.signIn();
   * stack.clock = new Date(stack.clock.getTime() + 601_000);
   * const options = { ...stack.options, currentDate: stack.clock };
   * await expect(verifyJwt(accessToken, options)).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' });
   * ```
   */
  get clock(): Date;
  set clock(date: Date | undefined);

  /**
   * Signs a user in, with a new session. An existing user, found by `user`, `email` or `fields.id`, is updated with the
   * other options, and so is the object that earlier calls returned; otherwise a new one is created. For another token of the
   * same session, hand its `refresh_token_id` on in `claims`.
   *
   * @throws `TypeError` on an unknown option, a `user` that is not there, an `id` that another has, an unknown user
   *   type, an `expiresIn` that is no finite number, or `fields` or `claims` that `JSON.stringify` refuses (a `BigInt`,
   *   a cycle)
   *
   * @example
   * ```ts
   * const { user, accessToken } = stack.signIn({ email: 'ada@example.com', type: 'restricted' });
   * const later = stack.signIn({ user, type: 'regular' }); // Ada has verified her address
   * ```
   */
  signIn(options?: SignInOptions): SignedIn;

  /**
   * Deletes a user: `users/me` no longer finds it, while its tokens can be verified until they expire.
   *
   * @returns whether there was one
   */
  deleteUser(user: string | { id: string }): boolean;

  /**
   * Signs with new keys from now on. As in the service, the previous keys stay published, and
   * older ones are removed. Clients notice the first two rotations at once, and
   * further ones up to 30 s later; with `cacheMaxAge: 0`, each call does.
   *
   * @param options `withdraw: true` withdraws all old keys at once. Their tokens are refused from the next
   *   fetch of keys on: `cacheMaxAge: 0` makes each call fetch them.
   *
   * @throws `TypeError` on an unknown option
   */
  rotateKeys(options?: { withdraw?: boolean | undefined }): void;

  /**
   * Begins an outage, in place of any other. Clients that have no keys yet run into it; those that have some go on
   * verifying, as `staleIfError` says.
   *
   * - `'refuse'`: connections are refused
   * - `'hang'`: requests are never answered, so calls that need an answer take their `timeout`. That is 5 s, all that
   *   vitest and jest give a test: set a shorter one, or give the test more
   * - `'error'`: status 500
   * - `'rateLimit'`: status 429, with `Retry-After` if `retryAfter` is there
   *
   * @throws `TypeError` on an unknown kind or option, or a `retryAfter` that is no whole number; after a `'refuse'`,
   *   also Node's `EADDRINUSE`, as {@link StackAuthStandIn.recover}
   */
  outage(kind: OutageKind, options?: OutageOptions): Promise<void>;

  /**
   * Ends the outage. After a failed fetch `stack-auth-native` waits for 125 to 250 ms before the next,
   * and up to 30 s after further ones: see `stats().keys.nextAttemptIn`. Rejects with Node's `EADDRINUSE` if somebody
   * has taken the port of a `'refuse'` meanwhile; it can be called again then.
   */
  recover(): Promise<void>;

  /** Ends all connections and the stand-in, for good. */
  stop(): Promise<void>;

  /** `stop()`, at the end of a block that begins with `await using stack = await startStackAuth()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** See {@link StackAuthStandIn.signIn}. */
export interface SignInOptions {
  /** A user that was signed in before, or its id. */
  user?: string | { id: string } | undefined;

  /**
   * The primary email address, which the service keeps in lower case. Without one, none is verified.
   *
   * @defaultValue what the user has; for a new one, an address that nobody else has, and none if anonymous
   */
  email?: string | null | undefined;

  /** The name to show. @defaultValue what the user has; `null` for a new one */
  displayName?: string | null | undefined;

  /**
   * Restricted users have not verified their email address; anonymous ones mostly have none. Nothing changes if the
   * user is of that type already.
   *
   * @defaultValue `'regular'`, or what the user was before
   */
  type?: UserType | undefined;

  /**
   * Further fields, as `users/me` has them: `server_metadata`, say. They win over the others, and are copied.
   * `restricted_by_admin` also restricts the user, or no longer does. An `id` is given to the user who is meant; if none
   * is, it finds its user, or is that of the new one.
   */
  fields?:
    | {
        [Field in keyof CurrentUser]?: Field extends `${string}_metadata`
          ? unknown
          : CurrentUser[Field];
      }
    | undefined;

  /**
   * Seconds until the token expires. 0 and less give one that has.
   *
   * @defaultValue `600`
   */
  expiresIn?: number | undefined;

  /**
   * Claims in place of the usual ones, or beyond them, signed all the same. `undefined` leaves one
   * out, as older servers do.
   */
  claims?: { [Claim in keyof AccessTokenClaims]?: unknown } | undefined;
}

/** What {@link StackAuthStandIn.signIn} returns. */
export interface SignedIn {
  /** What `users/me` answers with server access. If you change it, so do later answers. */
  user: CurrentUser;
  /** A token as Stack Auth makes them, without `Bearer`. */
  accessToken: string;
}

/** The three kinds of users that Stack Auth tells apart. */
export type UserType = 'regular' | 'restricted' | 'anonymous';

/** See {@link StackAuthStandIn.outage}. */
export type OutageKind = 'refuse' | 'hang' | 'error' | 'rateLimit';

/** See {@link StackAuthStandIn.outage}. */
export interface OutageOptions {
  /** The `Retry-After` of `'rateLimit'`, in whole seconds. @defaultValue none, as it may be missing */
  retryAfter?: number | undefined;
}

/** A request, as the stand-in got it. */
export interface StackAuthRequest {
  /** The HTTP method: `"GET"`, say. */
  method: string;
  /** Path and query: `"/api/v1/users/me"`. */
  path: string;
  /**
   * By names in lower case. Of secret keys there is only `"[redacted]"`: one that comes from the
   * environment by mistake must not get into a test's output.
   */
  headers: Record<string, string | string[] | undefined>;
}
