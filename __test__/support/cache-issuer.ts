import { setTimeout as sleep } from 'node:timers/promises';

import { expect, onTestFinished, vi } from 'vitest';
import { StackAuth, StackAuthError } from '../../index.js';
import { peek } from './differential/peek.js';
import { type Request, type Response, StandIn, userOf } from './stand-in.js';

/** What `users/me` and the tokens of the stand-in say of the one user there is. */
export const USER_ID = userOf().id;

export const DOWN = { code: 'ERR_JWKS_FETCH_FAILED', status: 503, retryable: true };
export const UNKNOWN_KEY = { code: 'ERR_JWKS_NO_MATCHING_KEY', status: 401, retryable: false };

type Handler = (request: Request, response: Response) => unknown;

const closed = new WeakSet<StandIn>();

/** An issuer for one test: its project is new, so no other test has touched its key cache. */
export async function startIssuer(): Promise<StandIn> {
  const issuer = await StandIn.start();
  issuer.users.set(USER_ID, userOf());
  onTestFinished(() => refuseConnections(issuer));
  return issuer;
}

export async function refuseConnections(issuer: StandIn) {
  if (!closed.has(issuer)) {
    closed.add(issuer);
    await issuer.close();
  }
}

export async function acceptConnections(issuer: StandIn) {
  await issuer.listen(Number(new URL(issuer.url).port));
  closed.delete(issuer);
}

/** Takes over the answers about one path; `false` falls through to the usual one. */
export function answer(issuer: StandIn, path: 'jwks' | 'users/me' | '/', handler: Handler) {
  issuer.intercept = async (request, response) =>
    request.url?.includes(path) && (await handler(request, response)) !== false;
}

export const answerKeys = (issuer: StandIn, handler: Handler) => answer(issuer, 'jwks', handler);

/** Never answers. */
export const hang: Handler = () => {};

export const status =
  (code: number): Handler =>
  (_request, response) =>
    response.writeHead(code).end();

export const reset: Handler = (request) => request.socket.resetAndDestroy();

/** Something to wait for, and the function that ends the waiting. */
export function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

/** Holds the answers about one path back until the function returned is called. */
export function hold(issuer: StandIn, path: 'jwks' | 'users/me'): () => void {
  const { open, opened } = gate();
  answer(issuer, path, async () => {
    await opened;
    return false;
  });
  return open;
}

export const until = (condition: () => boolean | Promise<boolean>) =>
  vi.waitUntil(condition, { interval: 5, timeout: 10_000 });

/** Keys as `exportKeys` would have given them so many milliseconds ago. */
export async function keysOfAge(issuer: StandIn, age: number) {
  return { jwks: await issuer.keySet(), uat: Date.now() - age };
}

/** A client that is not asked to do anything but tell. */
export const statsOf = (issuer: StandIn) => new StackAuth(issuer.options).stats().keys;

/** What a client hands over so that its answers are shared. */
export const sharing = (issuer: StandIn) => ({ ...issuer.options, maxAge: 60_000 });

/** To be called first: waits until so many callers have joined the request of another. */
export function joinedBy(issuer: StandIn, callers: number) {
  const hits = () => new StackAuth(issuer.options).stats().userCache.hits;
  const before = hits();
  return () => until(() => hits() === before + callers);
}

/** Waits until the fetch that failed may be tried again. */
export async function backOffOf(issuer: StandIn) {
  // A caller's time can be up a moment before the fetch itself is given up.
  await until(() => statsOf(issuer).failuresInARow > 0);
  await sleep((statsOf(issuer).nextAttemptIn ?? 0) + 5);
}

/** How many fetches may have failed in so many milliseconds, for the pauses between them grow. */
export function permittedFetches(elapsed: number) {
  // The pause after the n-th failure is 250 ms · 2ⁿ⁻¹, less up to a half.
  return 1 + Math.floor(Math.log2(1 + elapsed / 125));
}

/** Waits until a token has expired by the clock of this machine. */
export async function expiryOf(token: string) {
  await sleep(Math.max(0, Number(peek(token).claims.exp) * 1_000 - Date.now()) + 5);
}

/** The same token, said to be signed by another key. */
export function withKid(token: string, kid: string) {
  const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid })).toString('base64url');
  return [header, ...token.split('.').slice(1)].join('.');
}

export async function failure(call: Promise<unknown>): Promise<StackAuthError> {
  const error = await call.then(
    () => 'no error',
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(StackAuthError);
  return error as StackAuthError;
}

export const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
