/**
 * Stack Auth in Express 4 and 5: middlewares that find out who is calling, and an error handler. Needs neither Express
 * nor its types. The middlewares also work with what else takes such (Connect, say); the error handler needs Express's
 * `response.status().json()`.
 *
 * @packageDocumentation
 */

import type {
  AccessTokenClaims,
  AccessTokenOptions,
  accessTokenFrom,
  CurrentUser,
  HeadersLike,
  StackAuth,
  StackAuthError,
  StackAuthOptions,
} from './index.js';

/**
 * A middleware that lets only signed-in users through: it finds the access token as
 * {@link accessTokenFrom} does, verifies it, and puts what it found on `request.auth`.
 *
 * For other requests it sets the error's headers on the response and calls `next(error)`, with a
 * {@link StackAuthError}. Express's own error handler then answers with the error's status; {@link authErrorHandler}
 * answers with JSON. (Once a `signal` among the options was aborted, it is an `AbortError`, of status 503 and without
 * headers, which `authErrorHandler` passes on.)
 * - status 400: `ERR_TOKEN_AMBIGUOUS`
 * - status 401: `ERR_TOKEN_MISSING`, and the codes of `verifyJwt`
 * - status 403: `ERR_USER_TYPE_NOT_ALLOWED`
 * - status 500: `ERR_CONFIG`, also if another package has set `request.auth`, which is not overwritten
 * - status 503: no keys could be fetched; never answered with a 401
 *
 * With `fetchUser` also the errors of `getUser`. Preflight requests have no token, so `cors()` comes first.
 *
 * With several middlewares, each verifies the token and decides by its own options: after it, `request.auth` is what
 * it found, or `undefined`. If the one before had equal options and found the same token, its `Auth` is kept, so a
 * user that was fetched is not fetched again. Headers that an earlier refusal has set are removed.
 *
 * @param options Those left out come from the environment, read now, or have their default.
 * @throws {@link StackAuthError} `ERR_CONFIG`
 *
 * @example
 * ```ts
 * app.get('/api/me', requireUser(), (request, response) => {
 *   response.json({ id: getAuth(request).userId });
 * });
 * ```
 */
export function requireUser(options?: AuthOptions): AuthMiddleware;

/**
 * As {@link requireUser}, but lets requests without a token through: then `request.auth` is `undefined`.
 *
 * A token that is there but not accepted is still an error, so that a client hears that its token expired, rather
 * than being taken for a visitor; so is an outage. To show a visitor's view instead, write an error handler that goes
 * by `error.code`, removes the headers in `error.headers`, if it has any, from the response, and calls `next()`.
 *
 * @param options Those left out come from the environment, read now, or have their default.
 * @throws {@link StackAuthError} `ERR_CONFIG`
 *
 * @example
 * ```ts
 * app.get('/', optionalUser(), (request, response) => {
 *   response.send(`Hello, ${request.auth?.payload.name ?? 'stranger'}`);
 * });
 * ```
 */
export function optionalUser(options?: AuthOptions): AuthMiddleware;

/**
 * Who is calling, as a middleware of this package found out, whatever has become of `request.auth` since.
 * Never `undefined`, so that no handler takes nobody for a user; where visitors are let through, use `request.auth`.
 *
 * @param request The request that the middleware saw, itself and not a wrapper of it.
 * @throws {@link StackAuthError}
 * - `ERR_TOKEN_MISSING` (401): {@link optionalUser} found no token
 * - what the middleware handed to `next`, if it refused the request
 * - `ERR_CONFIG` (500): no middleware of this package came before, or it has not called `next` yet
 */
export function getAuth(request: object): Auth;

/**
 * An error handler that answers each {@link StackAuthError} with its status, its headers and the JSON
 * `{ "error": code, "message": text }`; `message` is a fixed text for each code, and only there if the
 * caller is at fault. Those of status 500 and 503 go to `console.error`.
 *
 * Other errors go on to the next handler, and so do all once headers were sent.
 *
 * @example
 * ```ts
 * app.use(authErrorHandler()); // after the routes
 * ```
 */
export function authErrorHandler(): AuthErrorHandler;

/**
 * Options of {@link requireUser} and {@link optionalUser}: those of a {@link StackAuth} client, or a
 * client, and these. An unknown name or a wrong type is an `ERR_CONFIG`.
 */
export interface AuthOptions extends StackAuthOptions, AccessTokenOptions {
  /**
   * A client to use, in place of options for one: beside it, any of those (`projectId`, `timeout`, …) is an
   * `ERR_CONFIG`.
   *
   * @defaultValue one that is made of the options
   */
  client?: StackAuth | undefined;

  /**
   * Whether to fetch the user from Stack Auth into `request.auth.user` before going on. Without a `secretServerKey`,
   * that is an `ERR_CONFIG` at once, unless `accessType` is `"client"`; with a `client` that has none, at the first
   * request with a good token. It may take another `timeout`, after that of the verification.
   *
   * @defaultValue `false`
   */
  fetchUser?: boolean | undefined;
}

/** What a middleware found out about a request. */
export interface Auth {
  /** The access token, verified. */
  readonly token: string;
  /** Its claims. */
  readonly payload: AccessTokenClaims;
  /** The user's id, a UUID; the claim `sub`. */
  readonly userId: string;
  /** By the token's `iss`. Other types than `"regular"` only if the options allow them. */
  readonly userType: 'regular' | 'restricted' | 'anonymous';
  /** The user, with the option `fetchUser`. */
  readonly user?: CurrentUser;
  /**
   * The user, asked for at the first call; all calls on this object have the same answer, be it an error.
   * Rejects as `StackAuth.getUser` does. In Express 4, hand rejections to `next`.
   */
  getUser(): Promise<CurrentUser>;
}

/** A middleware that fits Express 4 and 5. */
export type AuthMiddleware = (
  request: { readonly headers: HeadersLike },
  response: AuthResponse,
  next: (error?: unknown) => void,
) => void;

/** An error handler that fits Express 4 and 5. */
export type AuthErrorHandler = (
  error: unknown,
  request: object,
  response: JsonResponse,
  next: (error?: unknown) => void,
) => void;

/** What a middleware needs of a response. */
export interface AuthResponse {
  /** Whether it is too late for headers. */
  readonly headersSent: boolean;
  /** Sets a header. */
  setHeader(name: string, value: string): unknown;
  /** What a header is set to; without it, headers of an earlier refusal stay. */
  getHeader?(name: string): unknown;
  /** Removes a header. */
  removeHeader?(name: string): unknown;
}

/** What the error handler needs of a response. */
export interface JsonResponse extends AuthResponse {
  /** Sets the status. */
  status(code: number): {
    /** Ends the response with JSON. */
    json(body: unknown): unknown;
  };
}

declare global {
  namespace Express {
    /** Express's request, in `@types/express` 4 and 5. */
    interface Request {
      /**
       * Who is calling, after `requireUser` or `optionalUser` of `stack-auth-native/express`. If another
       * package declares a member of this name too, use `getAuth(request)`.
       */
      auth?: Auth | undefined;
    }
  }
}
