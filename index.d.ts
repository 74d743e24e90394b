/**
 * Tells a Node.js server who is calling: verifies Stack Auth (now also called Hexclave) access
 * tokens natively, and asks Stack Auth for the user behind one.
 *
 * @packageDocumentation
 */

/**
 * Verifies a Stack Auth access token: its ES256 signature by a key of the project's key set, and the claims `iss`,
 * `aud`, `sub`, `exp` (and `nbf`, `iat`, if present). Replaces jose's `createRemoteJWKSet` and `jwtVerify`.
 *
 * Keys are fetched once per process, shared by all threads and callers, and refreshed in the background before they
 * expire. Once they are there, a bad token costs no request of its own, unless its claims fit this project and its
 * `kid` is not among the keys.
 *
 * A rejection is always a {@link StackAuthError}, or an `AbortError` if `signal` was aborted:
 * - status 401: `ERR_JWT_EXPIRED`, `ERR_JWT_CLAIM_VALIDATION_FAILED`, `ERR_JWT_INVALID`,
 *   `ERR_JWS_INVALID`, `ERR_JWS_SIGNATURE_VERIFICATION_FAILED`, `ERR_JOSE_ALG_NOT_ALLOWED`,
 *   `ERR_JOSE_NOT_SUPPORTED`, `ERR_JWKS_NO_MATCHING_KEY`
 * - status 403: `ERR_USER_TYPE_NOT_ALLOWED`
 * - status 500: `ERR_CONFIG`
 * - status 503: `ERR_JWKS_FETCH_FAILED`, `ERR_JWKS_TIMEOUT`, `ERR_JWKS_INVALID`
 *
 * @param accessToken A compact JWS (RFC 7515 section 7.1) of at most 16 KiB, without `Bearer`. Anything else, string
 *   or not, is an `ERR_JWS_INVALID`.
 * @param options Those left out come from the environment, read at each call, or have their default.
 *
 * @example
 * ```ts
 * const { payload } = await verifyJwt(accessToken, { projectId });
 * console.log(payload.sub, payload.email);
 * ```
 */
export function verifyJwt(accessToken: string, options?: VerifyJwtOptions): Promise<VerifiedJwt>;

/**
 * Asks Stack Auth for the user of an access token: `GET /api/v1/users/me`, with every field of the
 * answer passed through.
 *
 * A token that {@link verifyJwt} would refuse is refused without a request. Only if there are no usable keys, and no
 * set can be fetched in half of `timeout`, is one that has not expired sent unverified, for the API to judge; an answer
 * whose `id` is not the token's `sub` is then an `ERR_API_UNAVAILABLE`: it may be a proxy's page. On 429, 5xx and
 * connection errors there are up to two more tries within `timeout`, honouring `Retry-After`; one that is longer than
 * the time left ends the call at once.
 *
 * A rejection is always a {@link StackAuthError}, or an `AbortError` if `signal` was aborted:
 * - status 401: the codes of {@link verifyJwt}, and `ERR_USER_UNAUTHENTICATED` if the API says that
 *   there is no such user or that the token is bad
 * - status 403: `ERR_USER_TYPE_NOT_ALLOWED`
 * - status 500: `ERR_CONFIG`, also if the API refuses the keys or the project, or answers another 4xx (408 and 425
 *   aside)
 * - status 503: `ERR_API_UNAVAILABLE`, `ERR_API_TIMEOUT`, `ERR_API_RATE_LIMITED`; and `ERR_JWKS_FETCH_FAILED`,
 *   `ERR_JWKS_TIMEOUT`, `ERR_JWKS_INVALID` if the token's key is not among those at hand and no others can be had
 *
 * An answer of more than 8 MiB is an `ERR_API_UNAVAILABLE`.
 *
 * @param accessToken A compact JWS of at most 16 KiB, without `Bearer`.
 * @param options Those left out come from the environment, read at each call, or have their default.
 *
 * @example
 * ```ts
 * const user = await getUser(accessToken, { projectId, secretServerKey });
 * console.log(user.id, user.display_name);
 * ```
 */
export function getUser(accessToken: string, options?: GetUserOptions): Promise<CurrentUser>;

/**
 * Finds the access token of a request, wherever a Stack Auth client may have put it:
 *
 * 1. `x-stack-access-token: <token>`, as in Stack Auth's docs, or `x-hexclave-access-token`
 * 2. `Authorization: Bearer stackauth_…` or `hexclave_…`, as its SDK sends: base64 or base64url of the
 *    JSON `{ "accessToken": … }`
 * 3. `Authorization: Bearer <token>` (RFC 6750 section 2.1)
 * 4. `x-stack-auth: {"accessToken": …}`, as older SDKs send
 * 5. with `cookies: true`, the cookie `hexclave-access`, or else `stack-access`: the percent-encoded JSON
 *    `["<refresh token>", "<access token>"]`
 *
 * All of them are looked at. The same token in several places is fine, and different ones are an error,
 * for nobody could say who is calling. Empty values, credentials of other schemes, and an `accessToken`
 * that is null or absent (a visitor who has not signed in) are no token. What is returned is **not verified yet**:
 * that is for {@link verifyJwt}.
 *
 * @param request A Fetch `Request` or `Headers`, Node's `IncomingMessage`, anything else with `headers`, or an object
 *   of headers, with names in any case. Pass Node's own request if you can (`request.raw` in Fastify, `ctx.req` in
 *   Koa): if `Authorization` comes twice, only its `rawHeaders` have both.
 * @returns The token, without `Bearer`; `undefined` if there is none.
 * @throws {@link StackAuthError}
 * - `ERR_TOKEN_AMBIGUOUS` (400): several tokens that differ (`invalid_request` in RFC 6750 section 3.1)
 * - `ERR_JWS_INVALID` (401): base64, JSON or percent-encoding that cannot be read, is longer than 65,536
 *   characters or has more than some 30 parts; a longer list than that; an `accessToken` that is not a string. What is
 *   broken is not taken for no token.
 * - `ERR_CONFIG` (500): not a request, or an object that holds one (Hono's context, say); one whose members
 *   throw, or whose `headers` are a promise or a function; an unknown option
 *
 * @example
 * ```ts
 * const accessToken = accessTokenFrom(request);
 * if (accessToken === undefined) return new Response(null, { status: 401 });
 * const { payload } = await verifyJwt(accessToken);
 * ```
 */
export function accessTokenFrom(
  request: RequestLike,
  options?: AccessTokenOptions,
): string | undefined;

/**
 * Holds options that were read and checked once, and offers the same functions as methods.
 *
 * Clients are cheap: all that name the same key set share it, in all threads of the process.
 *
 * @example
 * ```ts
 * const stackAuth = new StackAuth({ projectId, secretServerKey });
 * await stackAuth.warmUp();
 * const { payload } = await stackAuth.verifyJwt(accessToken);
 * ```
 */
export class StackAuth {
  /**
   * @param options Those left out come from the environment, read now, or have their default.
   * @throws {@link StackAuthError} `ERR_CONFIG`
   */
  constructor(options?: StackAuthOptions);

  /**
   * As the function {@link verifyJwt}.
   *
   * @param accessToken A compact JWS of at most 16 KiB, without `Bearer`.
   * @param perCall Options that apply to this call in place of the client's. Where one is `undefined`, the
   *   client's applies.
   */
  verifyJwt(accessToken: string, perCall?: VerifyJwtOptions): Promise<VerifiedJwt>;

  /**
   * As the function {@link getUser}.
   *
   * @param accessToken A compact JWS of at most 16 KiB, without `Bearer`.
   * @param perCall Options that apply to this call in place of the client's. Where one is `undefined`, the
   *   client's applies: with another `baseUrl` alone, the client's `secretServerKey` and `publishableClientKey` are
   *   sent there.
   */
  getUser(accessToken: string, perCall?: GetUserOptions): Promise<CurrentUser>;

  /**
   * Fetches the key set, unless a fresh one is at hand: before a server takes its first request, say. If the fetch
   * fails, known keys that `staleIfError` still allows will do. The secret key is not sent, so a wrong one is not
   * noticed.
   *
   * Rejects like {@link verifyJwt} if there are no keys to be had: with `ERR_CONFIG` (500) if Stack Auth does not
   * know the project, otherwise with `ERR_JWKS_…` (503); and with an `AbortError` if the client's `signal` was
   * aborted.
   */
  warmUp(): Promise<void>;

  /**
   * The key set and when it was asked for, to be kept somewhere and handed to the option `keys` at the next start;
   * `undefined` as long as there is no set with a usable key. It can be serialised as JSON. Anyone who can change
   * what you kept can impersonate any user.
   *
   * @example
   * ```ts
   * await stackAuth.warmUp();
   * const kept = JSON.stringify(stackAuth.exportKeys());
   * const next = new StackAuth({ projectId, keys: JSON.parse(kept) });
   * ```
   */
  exportKeys(): ExportedKeys | undefined;

  /**
   * Counters and ages, for dashboards and health checks.
   *
   * @example
   * ```ts
   * const { age, failuresInARow, lastError } = stackAuth.stats().keys;
   * if (failuresInARow > 2) console.warn(`the keys are ${age} ms old: ${lastError}`);
   * ```
   */
  stats(): StackAuthStats;
}

/**
 * Options of {@link verifyJwt}. An unknown name or a wrong type is an `ERR_CONFIG`. Those of {@link getUser} are
 * checked as well, so that both can have the same, and so are their variables when options are first read.
 */
export interface VerifyJwtOptions {
  /**
   * The project whose tokens count: 1 to 64 of `A-Z`, `a-z`, `0-9` and `-`. `undefined` counts as left out, and
   * then the environment decides. Of its variables, here and below, one that is empty counts as not set.
   *
   * Environment: `HEXCLAVE_PROJECT_ID`, `NEXT_PUBLIC_HEXCLAVE_PROJECT_ID`, `STACK_PROJECT_ID`,
   * `NEXT_PUBLIC_STACK_PROJECT_ID`, in this order.
   */
  projectId?: string | undefined;

  /**
   * Stack Auth's address, from which the expected `iss` follows. On the cloud service the issuers of both brands are
   * accepted, `api.stack-auth.com` and `api.hexclave.com`. A trailing slash is ignored, and `/api/v1` is not part of
   * it.
   *
   * Environment: `HEXCLAVE_API_URL`, `NEXT_PUBLIC_HEXCLAVE_API_URL`, `STACK_API_URL`,
   * `NEXT_PUBLIC_STACK_API_URL`, in this order.
   *
   * @defaultValue `"https://api.stack-auth.com"`
   */
  baseUrl?: string | undefined;

  /**
   * Permits a `baseUrl` with `http:` to a host that is not loopback. Anyone on the network path can then hand out
   * keys of their own.
   *
   * @defaultValue `false`
   */
  allowInsecureHttp?: boolean | undefined;

  /**
   * Further addresses from which an expected `iss` follows, for a self-hosted server with an internal and a public
   * one. Like `baseUrl`, without `/api/v1`; `http:` needs no permission. Naming one address of the cloud service names
   * both. Nothing is sent there.
   */
  issuerBaseUrls?: readonly string[] | undefined;

  /**
   * Whether tokens of restricted users count (email not verified, say).
   *
   * @defaultValue `false`
   */
  allowRestricted?: boolean | undefined;

  /**
   * Whether tokens of anonymous users count. Implies `allowRestricted`.
   *
   * @defaultValue `false`
   */
  allowAnonymous?: boolean | undefined;

  /**
   * Seconds by which `exp` and `nbf` may be off, at least 0. Without it, a token has expired once the time is `exp`.
   *
   * @defaultValue `0`, as in Stack Auth's own backend
   */
  clockTolerance?: number | undefined;

  /**
   * The time that tokens are judged by, for tests: fake timers do not move native clocks. It stands still, so
   * in a client or a middleware that lives on, tokens would never expire.
   *
   * @defaultValue the system's clock
   */
  currentDate?: Date | undefined;

  /**
   * Milliseconds that the whole call may spend on the network; a fetch of keys gets 10 s at most, and connecting
   * 11 s. At least 1, and like all milliseconds here at most 2,147,483,647.
   *
   * @defaultValue `5000`
   */
  timeout?: number | undefined;

  /**
   * Aborts the call: it rejects at once with an `AbortError`, whose `cause` is the signal's reason, and whose `status`
   * is 503. Others that wait for the same fetch go on. In a client or a middleware it ends all later calls, too.
   */
  signal?: AbortSignal | undefined;

  /**
   * Milliseconds for which a key set is fresh. A shorter `Cache-Control: max-age` from Stack Auth wins, but counts as
   * 30 s at least, as do `no-store` and `no-cache`. In the last fifth of its freshness, a call also starts a refresh
   * in the background. With 0, each call fetches it, though calls at the same time do so together; and for a minute
   * after a failed fetch, `staleIfError` comes first.
   *
   * @defaultValue `600_000`
   */
  cacheMaxAge?: number | undefined;

  /**
   * Milliseconds for which keys that are no longer fresh stay in use while none can be fetched, for whatever reason.
   * With 0, they do not.
   *
   * @defaultValue `3_600_000`
   */
  staleIfError?: number | undefined;

  /**
   * A key set to start from, as {@link StackAuth.exportKeys} returned it (jose's exported cache has
   * the same form). It is for all clients of this process with the same address. That of a client is not for its calls
   * whose options name another project, server or user type. Its age is that of its `uat`, by the system's clock. A set
   * older than the keys at hand is ignored, one as old as keys that were fetched, and one without a usable key. So is
   * one from the future, unless there are no keys yet: then it counts as fetched now.
   */
  keys?: ExportedKeys | undefined;

  /**
   * Bytes of native memory to remember tokens with a good signature in, which is then not checked again; everything
   * else is, at each call. All clients with the same number share that memory, in all threads of the process; each
   * thread also keeps parsed payloads, in about half as much. The default holds some 7,000 of Stack Auth's tokens, so
   * raise it if more users are active within the ten minutes of one. 0 turns it off; 64 GiB is the maximum.
   *
   * @defaultValue `16_777_216`
   */
  tokenCacheBytes?: number | undefined;
}

/** Options of {@link getUser}. An unknown name or a wrong type is an `ERR_CONFIG`. */
export interface GetUserOptions extends VerifyJwtOptions {
  /**
   * The project's secret server key, of visible ASCII characters; needed unless `accessType` is `"client"`.
   *
   * Environment: `HEXCLAVE_SECRET_SERVER_KEY`, `STACK_SECRET_SERVER_KEY`, in this order.
   */
  secretServerKey?: string | undefined;

  /**
   * The project's publishable client key, for projects that require one.
   *
   * Environment: `HEXCLAVE_PUBLISHABLE_CLIENT_KEY`, `NEXT_PUBLIC_HEXCLAVE_PUBLISHABLE_CLIENT_KEY`,
   * `STACK_PUBLISHABLE_CLIENT_KEY`, `NEXT_PUBLIC_STACK_PUBLISHABLE_CLIENT_KEY`, in this order.
   */
  publishableClientKey?: string | undefined;

  /**
   * `"server"` asks with the secret key; `"client"` asks without, and the answer has fewer fields.
   *
   * @defaultValue `"server"`
   */
  accessType?: 'server' | 'client' | undefined;

  /**
   * Milliseconds for which an answer may be reused for the same token, `baseUrl`, `projectId`, `secretServerKey`,
   * `publishableClientKey`, `accessType` and user types, unless the API, asked with the same, has refused the token
   * since. With it, concurrent callers share one request, its tries, and its end: that of the one with the longest
   * `timeout`, counted from when it began. The token is verified on each call all the same, and failures are not kept.
   *
   * @defaultValue `0`
   */
  maxAge?: number | undefined;
}

/** Options of a {@link StackAuth} client: those of both functions. */
export interface StackAuthOptions extends GetUserOptions {}

/** Options of {@link accessTokenFrom}. An unknown name or a wrong type is an `ERR_CONFIG`. */
export interface AccessTokenOptions {
  /**
   * Whether a token in a cookie counts. Browsers send cookies along with requests that another site has
   * made them send (cross-site request forgery), which they do not do with headers. So set this only
   * where requests change nothing, or where you check besides that a request is from your own pages: by
   * `Sec-Fetch-Site`, `Origin`, or a token against CSRF.
   *
   * @defaultValue `false`
   */
  cookies?: boolean | undefined;
}

/** What {@link accessTokenFrom} takes: a request of Node or Fetch, or its headers. */
export type RequestLike = { readonly headers: HeadersLike } | HeadersLike;

/** The headers of a request: Fetch's `Headers`, or an object like Node's `request.headers`. */
export type HeadersLike =
  | { get(name: string): string | null | undefined }
  | { readonly [name: string]: string | readonly string[] | undefined };

/** A verified token, in jose's form. */
export interface VerifiedJwt {
  /** The claims, every one as it was signed. */
  payload: AccessTokenClaims;
  /** The JOSE header: `alg`, `kid`, and whatever else the token has there. */
  protectedHeader: { alg: 'ES256'; kid?: string; [parameter: string]: unknown };
}

/**
 * The claims of a Stack Auth access token (RFC 7519 section 4; the rest are Stack Auth's). Only `iss`, `aud`, `sub`
 * and `exp` are certain to be there: older servers omit some of the others, newer ones add some.
 */
export interface AccessTokenClaims {
  /** The user's id, a UUID. */
  sub: string;
  /** `<base>/api/v1/projects/<project id>` and the like, one for each user type. */
  iss: string;
  /** The project's id, with `:restricted` or `:anon` after it for those user types. */
  aud: string | string[];
  /** When the token expires, in seconds since 1970. */
  exp: number;
  /** When the token was issued, in seconds since 1970. */
  iat?: number;
  /** The time before which the token is not valid, in seconds since 1970. Stack Auth sets none. */
  nbf?: number;
  /** The project's id. */
  project_id?: string;
  /** `"main"`, as of today. */
  branch_id?: string;
  /** The session. A token stays good until `exp`, even if its session has ended. */
  refresh_token_id?: string;
  /** `"authenticated"` */
  role?: string;
  /** The display name. */
  name?: string | null;
  /** The primary email address. */
  email?: string | null;
  /** Whether `email` is verified. */
  email_verified?: boolean;
  /** The id of the team that the user has selected. */
  selected_team_id?: string | null;
  /** When the user signed up, in **seconds** since 1970. */
  signed_up_at?: number;
  /** Agrees with `aud` if present. */
  is_anonymous?: boolean;
  /** Agrees with `aud` if present. */
  is_restricted?: boolean;
  /** Why the user is restricted. */
  restricted_reason?: RestrictedReason | null;
  /** Whether the user still has to pass a second factor. */
  requires_totp_mfa?: boolean;
  /** What newer servers add. */
  [claim: string]: unknown;
}

/** Why a user is restricted: `"anonymous"`, `"email_not_verified"`, `"restricted_by_administrator"`. */
export interface RestrictedReason {
  /** Open to reasons that newer servers add. */
  type: 'anonymous' | 'email_not_verified' | 'restricted_by_administrator' | (string & {});
}

/** A JSON value. */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

/**
 * The answer of `/api/v1/users/me`, as the server gave it. Fields that are optional here are absent
 * for `accessType: "client"` or on older servers; newer servers add fields.
 */
export interface CurrentUser {
  /** A UUID. */
  id: string;
  /** The primary email address. */
  primary_email: string | null;
  /** Whether `primary_email` is verified. */
  primary_email_verified: boolean;
  /** Whether `primary_email` can be used to sign in. Server access only. */
  primary_email_auth_enabled?: boolean;
  /** The name to show. */
  display_name: string | null;
  /** A URL; it can be a large base64 `data:` URL. */
  profile_image_url: string | null;
  /** When the user signed up, in **milliseconds** since 1970. */
  signed_up_at_millis: number;
  /** When the user was last active, in milliseconds since 1970. Server access only. */
  last_active_at_millis?: number;
  /** Written by the client. */
  client_metadata: Json;
  /** Written by the server, readable by the client. */
  client_read_only_metadata: Json;
  /** Written and readable by the server. Server access only. */
  server_metadata?: Json;
  /** Whether the user has a password. */
  has_password: boolean;
  /** Whether one-time codes by email are on. */
  otp_auth_enabled: boolean;
  /** Whether passkeys are on. */
  passkey_auth_enabled: boolean;
  /** Whether the user can sign in with an email address. */
  auth_with_email?: boolean;
  /** Whether a second factor is required. */
  requires_totp_mfa?: boolean;
  /** Whether the user is anonymous. */
  is_anonymous?: boolean;
  /** Whether the user is restricted. */
  is_restricted?: boolean;
  /** Why the user is restricted. */
  restricted_reason?: RestrictedReason | null;
  /** Whether an administrator restricted the user. */
  restricted_by_admin?: boolean;
  /** The administrator's reason, which the user may be told. */
  restricted_by_admin_reason?: string | null;
  /** The administrator's details, which the user may not be told. Server access only. */
  restricted_by_admin_private_details?: string | null;
  /** Where the user signed up from. Server access only. */
  country_code?: string | null;
  /** 0 to 100. Server access only. */
  risk_scores?: { sign_up: { bot: number; free_trial_abuse: number } };
  /** The linked accounts: `id` is the provider's (`"google"`, say), `account_id` the user's there. */
  oauth_providers: Array<{ id: string; account_id: string; email?: string | null }>;
  /** The id of the team that the user has selected. */
  selected_team_id: string | null;
  /** The team that the user has selected. */
  selected_team: CurrentTeam | null;
  /** What newer servers add. */
  [field: string]: unknown;
}

/** A team, as `/api/v1/users/me` tells of it. */
export interface CurrentTeam {
  /** A UUID. */
  id: string;
  /** The name to show. */
  display_name: string;
  /** A URL; it can be a large base64 `data:` URL. */
  profile_image_url: string | null;
  /** Written by the client. */
  client_metadata?: Json;
  /** Written by the server, readable by the client. */
  client_read_only_metadata?: Json;
  /** Written and readable by the server. Server access only. */
  server_metadata?: Json;
  /** When the team was created, in milliseconds since 1970. Server access only. */
  created_at_millis?: number;
  /** What newer servers add. */
  [field: string]: unknown;
}

/** A key set and when it was asked for; jose's `[jwksCache]` has the same form. */
export interface ExportedKeys {
  /** A JWK set (RFC 7517 section 5), as the issuer served it. */
  jwks: { keys: Array<Record<string, unknown>> };
  /** When it was asked for, in milliseconds since 1970. */
  uat: number;
}

/**
 * What {@link StackAuth.stats} returns. Counts begin with the process (`keys`, `tokenCache`, `userCache`) or
 * with the thread's first use of the client's options (`verifications`, `rejections`).
 */
export interface StackAuthStats {
  /** The key set of this client, and of all others in this process that use the same one. */
  keys: {
    /** Where it is fetched from. */
    url: string;
    /** The `kid` of each usable key that has one. */
    kids: string[];
    /** Milliseconds since it was asked for; absent as long as there is none. */
    age?: number;
    /** Fetches begun. */
    fetches: number;
    /** Fetches that brought no key set. */
    failedFetches: number;
    /** When the last fetch ended, whatever it brought, in milliseconds since 1970; absent before. */
    lastFetchAt?: number;
    /** Failures since the last set. A fetch that somebody waited for in vain counts here before it ends. */
    failuresInARow: number;
    /** The last of those failures. */
    lastError?: StackAuthErrorCode;
    /** Milliseconds until the next fetch is tried, after such a failure. */
    nextAttemptIn?: number;
  };
  /**
   * Verifications with this client's options in this thread, by any client or function; `getUser`'s are included.
   * Those that fail for lack of keys are not counted here. Counts only grow, but beyond 4,096 sets of options, the
   * oldest are forgotten, and start again from 0.
   */
  verifications: {
    /** Tokens that were good, and whose signature had been checked before. */
    remembered: number;
    /** Tokens that were good, and whose signature was checked. */
    new: number;
    /** Tokens that were refused here, with a status of 401 or 403; not those that only the API refused. */
    refused: number;
  };
  /**
   * How many calls under this client's options were rejected with each code that occurred, in this thread.
   * Not among them: options that could not be read, requests whose token was missing, ambiguous or unreadable, calls
   * aborted while they waited for the network. A token that is being checked counts, even if its call is aborted
   * meanwhile.
   */
  rejections: { [code in StackAuthErrorCode]?: number };
  /** The tokens whose signature was found good; one cache for all who name the same `tokenCacheBytes`. */
  tokenCache: CacheStats;
  /** The answers that `getUser` shares; one cache for the process, and only calls with a `maxAge` use it. */
  userCache: CacheStats;
}

/** How well a cache does, and how full it is. */
export interface CacheStats {
  /** Lookups that found something: for an answer of `getUser`, also one that was on its way. */
  hits: number;
  /** Lookups that did not. */
  misses: number;
  /** How many entries it holds. */
  entries: number;
  /** Bytes that they take, more or less. */
  bytes: number;
  /** Bytes that they may take; 0 if the cache is off. */
  maxBytes: number;
}

/**
 * The message of the channel `stack-auth-native:keys:refresh` of `node:diagnostics_channel`: a fetch of
 * keys brought a set, or the answer that it has not changed (304). Each thread that has loaded the package is told of
 * each fetch of the process; one that is blocked can miss some. Without a subscriber a channel costs next to nothing.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel';
 *
 * subscribe('stack-auth-native:keys:refresh', (message) => {
 *   const { url, kids } = message as KeysRefreshMessage;
 *   console.log(`${url} has the keys ${kids.join(', ')}`);
 * });
 * ```
 */
export interface KeysRefreshMessage {
  /** Where the set was fetched from. */
  url: string;
  /** How long the fetch took, in milliseconds. */
  duration: number;
  /** The `kid` of each usable key that counts from now on. */
  kids: string[];
}

/**
 * The message of the channel `stack-auth-native:keys:error` of `node:diagnostics_channel`: a fetch of keys
 * brought none. Known keys may still count (`staleIfError`), so callers may not have noticed.
 */
export interface KeysErrorMessage {
  /** Where the set was to be fetched from. */
  url: string;
  /** How long the fetch took, in milliseconds. */
  duration: number;
  /** What went wrong. */
  error: StackAuthError;
  /** How many fetches have failed since the last that brought a set. */
  failuresInARow: number;
  /** Milliseconds until the next fetch is tried. */
  nextAttemptIn: number;
}

/**
 * The message of the channel `stack-auth-native:verify` of `node:diagnostics_channel`: a call of {@link verifyJwt} or
 * {@link getUser}, possibly by a middleware, has ended in this thread. It is published just before the call's promise
 * settles; not for calls whose options could not be read.
 */
export interface VerifyMessage {
  /** Which of the two. */
  operation: 'verifyJwt' | 'getUser';
  /** The option of that name. */
  projectId: string;
  /** How long the call took, in milliseconds. */
  duration: number;
  /** The token's `sub`, or the `id` that `getUser` resolved to; absent if the call was rejected. */
  userId?: string;
  /** The code of the rejection; absent if there was none. */
  code?: StackAuthErrorCode | 'ABORT_ERR';
  /** What the call was rejected with. */
  error?: unknown;
}

/**
 * Every code that a {@link StackAuthError} can have; where jose has one, it is jose's. `docs/errors.md` in this package
 * says what to do about each.
 */
export type StackAuthErrorCode = CallerErrorCode | OperatorErrorCode | ServiceErrorCode;

/**
 * The caller is at fault: status 401, unless another is named here. Not retryable.
 * - `ERR_TOKEN_MISSING`: the request has no token
 * - `ERR_TOKEN_AMBIGUOUS` (400): the request has several tokens that differ
 * - `ERR_JWT_EXPIRED`: `exp` has passed
 * - `ERR_JWT_CLAIM_VALIDATION_FAILED`: a claim is missing, of another type, or not as expected; see `claim`
 * - `ERR_JWT_INVALID`: the signed payload is no JSON object
 * - `ERR_JWS_INVALID`: it is no compact JWS, or where it stands in the request cannot be read
 * - `ERR_JWS_SIGNATURE_VERIFICATION_FAILED`: the signature is not of the key that the token names
 * - `ERR_JOSE_ALG_NOT_ALLOWED`: `alg` is not ES256
 * - `ERR_JOSE_NOT_SUPPORTED`: the header has `crit`
 * - `ERR_JWKS_NO_MATCHING_KEY`: the project has no key of that `kid`
 * - `ERR_USER_TYPE_NOT_ALLOWED` (403): a restricted or anonymous user
 * - `ERR_USER_UNAUTHENTICATED`: Stack Auth has no such user, or refuses the token
 */
export type CallerErrorCode =
  | 'ERR_TOKEN_MISSING'
  | 'ERR_TOKEN_AMBIGUOUS'
  | 'ERR_JWT_EXPIRED'
  | 'ERR_JWT_CLAIM_VALIDATION_FAILED'
  | 'ERR_JWT_INVALID'
  | 'ERR_JWS_INVALID'
  | 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED'
  | 'ERR_JOSE_ALG_NOT_ALLOWED'
  | 'ERR_JOSE_NOT_SUPPORTED'
  | 'ERR_JWKS_NO_MATCHING_KEY'
  | 'ERR_USER_TYPE_NOT_ALLOWED'
  | 'ERR_USER_UNAUTHENTICATED';

/**
 * The operator is at fault: status 500. Not retryable.
 * - `ERR_CONFIG`: an option is wrong or missing, Stack Auth does not know the project (its key set is a 404) or refuses
 *   the secret or publishable key, or `users/me` answers another 4xx; in Express, another package has set `request.auth`
 *
 * The others are thrown when this package is loaded, which needs its native part:
 * - `ERR_BINARY_MISSING`: the package with the binary of this platform is not installed
 * - `ERR_BINARY_UNUSABLE`: the system refuses the binary; `cause` has its words
 * - `ERR_BINARY_VERSION`: the binary is of another version
 * - `ERR_UNSUPPORTED_PLATFORM`: there is no binary for this platform
 */
export type OperatorErrorCode =
  | 'ERR_CONFIG'
  | 'ERR_BINARY_MISSING'
  | 'ERR_BINARY_UNUSABLE'
  | 'ERR_BINARY_VERSION'
  | 'ERR_UNSUPPORTED_PLATFORM';

/**
 * Stack Auth, or the way there, is at fault: status 503. Retryable.
 * - `ERR_JWKS_FETCH_FAILED`: there are no keys, or not the one that is needed, and they could not be fetched
 * - `ERR_JWKS_TIMEOUT`: … not in time
 * - `ERR_JWKS_INVALID`: … and what came is no key set
 * - `ERR_API_UNAVAILABLE`: `users/me` could not be asked, or gave no usable answer
 * - `ERR_API_TIMEOUT`: `users/me` did not answer in time
 * - `ERR_API_RATE_LIMITED`: the project's rate limit for `users/me` was reached
 */
export type ServiceErrorCode =
  | 'ERR_JWKS_INVALID'
  | 'ERR_JWKS_TIMEOUT'
  | 'ERR_JWKS_FETCH_FAILED'
  | 'ERR_API_TIMEOUT'
  | 'ERR_API_UNAVAILABLE'
  | 'ERR_API_RATE_LIMITED';

/**
 * Why a call was rejected. Neither the message nor any member holds a token or a key.
 *
 * @example
 * ```ts
 * try {
 *   await verifyJwt(accessToken, { projectId });
 * } catch (error) {
 *   if (error instanceof StackAuthError) response.status(error.status).end(error.code);
 *   else throw error;
 * }
 * ```
 */
export class StackAuthError extends Error {
  private constructor();
  /** `"StackAuthError"` */
  readonly name: 'StackAuthError';
  /** What went wrong; stable across versions, while messages are not. */
  readonly code: StackAuthErrorCode;
  /** The HTTP status to answer with: 400, 401 or 403 (caller), 500 (operator), 503 (service). */
  readonly status: 400 | 401 | 403 | 500 | 503;
  /**
   * The HTTP headers to answer with. Express and Fastify send them by themselves, but the message too: Express unless
   * `NODE_ENV` is `production`, Fastify always. So use an error handler.
   *
   * - 400, 401, 403: `WWW-Authenticate: Bearer` with `error` and `error_description` (RFC 6750 section 3),
   *   but with `realm="stack-auth"` alone for `ERR_TOKEN_MISSING`. The description is a fixed text for each code.
   * - 503: `Retry-After` (RFC 9110 section 10.2.3): with `ERR_JWKS_…`, the time until keys are fetched next;
   *   with `ERR_API_…`, what `users/me` asked for with a 429 or 5xx; 5 seconds where neither is known
   * - 500: none
   */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether trying again can help; true for status 503. */
  readonly retryable: boolean;
  /** With `ERR_JWT_EXPIRED` and `ERR_JWT_CLAIM_VALIDATION_FAILED`: the claim. */
  readonly claim?: 'iss' | 'aud' | 'sub' | 'exp' | 'nbf' | 'iat' | 'is_anonymous' | 'is_restricted';
  /** With `claim`: what was wrong with it; jose's words. */
  readonly reason?: 'missing' | 'invalid' | 'check_failed';
  /** Stack Auth's own code, if its API refused: `"CANNOT_GET_OWN_USER_WITHOUT_USER"`, say. */
  readonly stackCode?: string;
  /** What Stack Auth's API said besides, if it did. */
  readonly details?: Json;
  /** What went wrong below: in the network, a parser, a getter of yours or, on loading, the operating system. */
  readonly cause?: unknown;
}
