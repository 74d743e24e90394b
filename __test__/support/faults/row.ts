import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'vitest';
import type { GetUserOptions, StackAuthErrorCode } from '../../../index.js';
import { permittedFetches, USER_ID, until } from '../cache-issuer.js';
import { Caller, type Callers, type Outcome } from './callers.js';
import type { Pki } from './certificates.js';
import { type Place, Site } from './site.js';
import type { Fault } from './table.js';

/** What a call may take beyond its time-out, less what the machine let it wait. */
const GRACE = 250;
/** What a call may take that waits for nothing: less than the time-out of a fault that hangs. */
const AT_ONCE = 400;
const HANGING = { timeout: 800 };
/** The same, with time for a handshake on a busy machine. */
const HANGING_IN_TLS = { timeout: 1_500 };
/**
 * The default; also for calls that meet no fault, however busy the machine is. On Windows a refused connection takes
 * 2 s (libuv/libuv#2896), and there are three of them.
 */
export const PATIENT = { timeout: process.platform === 'win32' ? 10_000 : 5_000 };
const MIB = 1024 * 1024;
/** What is read of one answer at most, and what is on the way besides while a busy machine lets a reader wait. */
const MAX_TAKEN = { keys: 4.25 * MIB, user: 12 * MIB };
/** What a caller's memory may grow by, in KiB: a client, and the largest answer twice. */
const MAX_GROWTH = { keys: 10 * 1024, user: 24 * 1024 };

const STATUS: Partial<Record<StackAuthErrorCode, number>> = {
  ERR_USER_UNAUTHENTICATED: 401,
  ERR_USER_TYPE_NOT_ALLOWED: 403,
  ERR_CONFIG: 500,
};

/** One row of the matrix: a site of its own, and who calls it. */
export class Row {
  /** Of calls that meet the fault. */
  readonly time: { timeout: number };
  #struckAt = 0;
  #rss = 0;
  /** Fetches that were given up before the site met them; it may meet them yet. */
  #onTheWay = 0;

  private constructor(
    readonly fault: Fault,
    readonly place: Place,
    readonly site: Site,
    readonly caller: Caller,
  ) {
    const plain = ['http', 'IPv6'].includes(fault.transport);
    this.time = !fault.hangs ? PATIENT : plain ? HANGING : HANGING_IN_TLS;
  }

  static async stage(fault: Fault, place: Place, pki: Pki, callers: Callers) {
    const site = await Site.open(fault.transport, pki);
    // A connection that is open would pass by what awaits a new one.
    site.keepsAlive = ['request', 'wire'].includes(fault.how.at);
    // The one has a proxy of its own, and the other a memory.
    const caller =
      fault.transport === 'proxy' || fault.greedy
        ? new Caller(site.environment)
        : callers.in(site.environment);
    return new Row(fault, place, site, caller);
  }

  verify = (token: string, options?: GetUserOptions) => this.#calls(1, 'verifyJwt', token, options);
  user = (token: string, options?: GetUserOptions) => this.#calls(1, 'getUser', token, options);
  verifyTogether = (token: string) => this.#calls(5, 'verifyJwt', token);
  userTogether = (token: string, options: GetUserOptions) =>
    this.#calls(5, 'getUser', token, options);

  #calls(times: number, call: 'verifyJwt' | 'getUser', token: string, options?: GetUserOptions) {
    const all = { ...this.site.issuer.options, ...this.time, ...options };
    return this.caller.calls(times, call, token, all);
  }

  async stats() {
    return (await this.caller.stats(this.site.issuer.options)).keys;
  }

  async strike() {
    this.#rss = (await this.caller.stats(this.site.issuer.options)).maxRss;
    await this.site.strike(this.fault.how, this.place);
    this.#struckAt = performance.now();
  }

  /** Ends the fault once all fetches are over, and waits until another may be made. */
  async heal({ goodFetches = 0 } = {}) {
    // A caller's time can be up a moment before the fetch itself is given up.
    await until(async () => {
      const { fetches, failedFetches } = await this.stats();
      this.#onTheWay = failedFetches - this.site.attempts;
      return fetches - failedFetches === goodFetches;
    });
    await this.site.heal();
    await sleep((await this.stats()).nextAttemptIn ?? 0);
    await sleep(5);
  }

  /** The party at fault was told apart, in time, and not before it was up for who came first. */
  expectFailure(outcomes: Outcome[], code: StackAuthErrorCode) {
    this.expectFailureAgain(outcomes, code);
    const longest = Math.max(...outcomes.map(({ millis }) => millis));
    expect(longest, 'milliseconds').toBeGreaterThan(this.fault.hangs ? this.time.timeout - 20 : 0);
  }

  /** The same, for who may be told what others have found out. */
  expectFailureAgain(outcomes: Outcome[], code: StackAuthErrorCode) {
    const status = STATUS[code] ?? 503;
    const error = { name: 'StackAuthError', code, status, retryable: status === 503 };
    for (const outcome of outcomes) {
      expect(outcome, outcome.why).toMatchObject({ error });
      expect(outcome.millis - outcome.late, 'milliseconds').toBeLessThan(this.time.timeout + GRACE);
    }
  }

  expectGood(outcomes: Outcome[], { timeout } = this.time) {
    this.#expectGoodIn(outcomes, timeout + GRACE);
  }

  /** Without having waited for anything. */
  expectAtOnce(outcomes: Outcome[]) {
    this.#expectGoodIn(outcomes, AT_ONCE);
  }

  #expectGoodIn(outcomes: Outcome[], most: number) {
    for (const { value, why, millis, late } of outcomes) {
      expect(value, why).toBe(USER_ID);
      expect(millis - late, 'milliseconds').toBeLessThan(most);
    }
  }

  /** Nobody was asked more often than the back-off permits, or than is counted. */
  async expectFewFetches() {
    const { fetches } = await this.stats();
    const elapsed = performance.now() - this.#struckAt;
    const most = Math.min(fetches, permittedFetches(elapsed));
    expect(this.site.attempts, 'requests').toBeLessThanOrEqual(most);
  }

  /** The keys came by one fetch. */
  expectOneFetch(requests: number) {
    expect(requests, 'requests after the fault').toBeGreaterThan(0);
    expect(requests, 'requests after the fault').toBeLessThanOrEqual(1 + this.#onTheWay);
  }

  /** What nothing that a site does may lead to. */
  async expectHarmless() {
    const { place, site } = this;
    expect(site.decoyed, 'connections to where a redirect led').toBe(0);
    expect(site.taken / (site.attempts || 1), 'bytes taken').toBeLessThan(MAX_TAKEN[place]);
    if (this.fault.greedy) {
      const { maxRss } = await this.caller.stats(site.issuer.options);
      expect(maxRss - this.#rss, 'KiB').toBeLessThan(MAX_GROWTH[place]);
    }
  }

  async end() {
    await this.site.close();
    if (!this.caller.isShared) {
      await this.caller.end();
    }
  }
}
