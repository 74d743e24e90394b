import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'vitest';
import { keysOfAge, times, until } from '../cache-issuer.js';
import { PATIENT, type Row } from './row.js';
import type { Place } from './site.js';
import type { Fault } from './table.js';

/** When a fault strikes, and what is to be seen of it then. */
export interface Moment {
  call: 'verifyJwt' | 'getUser';
  when: string;
  place: Place;
  /** Which faults it is for, if not for all. */
  takes?: (fault: Fault) => boolean;
  expects: (fault: Fault) => string;
  run: (row: Row) => Promise<void>;
}

/** Before any keys have come: whoever calls is told, those who come together by one fetch. */
async function keysCold(row: Row) {
  const token = await row.site.issuer.mint();
  await row.strike();
  row.expectFailure(await row.verifyTogether(token), row.fault.keys);
  row.expectFailureAgain(await row.verify(token), row.fault.keys);
  await row.expectFewFetches();
  await row.heal();
  await fetches(row, token);
}

/** Keys are at hand and fresh: only who comes with a key of their own learns of it. */
async function keysWarm(row: Row) {
  const { issuer } = row.site;
  const known = await issuer.mint();
  row.expectGood(await row.verify(known, PATIENT), PATIENT);
  issuer.rotate();
  const unknown = await issuer.mint();
  await row.strike();
  const failing = row.verify(unknown);
  row.expectAtOnce(await row.verifyTogether(known));
  row.expectFailure(await failing, row.fault.keys);
  row.expectAtOnce(await row.verify(known));
  await row.expectFewFetches();
  await row.heal({ goodFetches: 1 });
  if (row.fault.lingers) {
    await until(async () => (await row.verify(unknown, PATIENT))[0]?.error === undefined);
  } else {
    await fetches(row, unknown);
  }
}

/** Keys are in the last fifth of their freshness: nobody learns of it. */
async function keysInRefresh(row: Row) {
  const { issuer } = row.site;
  const token = await issuer.mint();
  const keys = await keysOfAge(issuer, 540_000);
  await row.strike();
  for (const verify of times(5, () => () => row.verify(token, { keys }))) {
    row.expectAtOnce(await verify());
  }
  await until(async () => (await row.stats()).failedFetches > 0);
  expect(await row.stats()).toMatchObject({ lastError: row.fault.keys });
  row.expectAtOnce(await row.verify(token));
  await row.expectFewFetches();
  await row.heal();
  await refreshes(row, token);
}

/** Keys are past their freshness: the first waits for the fetch to fail, nobody else does. */
async function keysStale(row: Row) {
  const { issuer } = row.site;
  const token = await issuer.mint();
  const keys = await keysOfAge(issuer, 700_000);
  await row.strike();
  row.expectGood(await row.verify(token, { keys }));
  for (const verify of times(5, () => () => row.verify(token, { keys }))) {
    row.expectAtOnce(await verify());
  }
  await row.expectFewFetches();
  await row.heal();
  await refreshes(row, token);
}

/** The next fetch brings the keys, and is the only one. */
async function fetches(row: Row, token: string) {
  const { issuer } = row.site;
  const before = issuer.jwksRequests;
  row.expectGood(await row.verify(token, PATIENT), PATIENT);
  row.expectOneFetch(issuer.jwksRequests - before);
  expect(await row.stats()).toMatchObject({ failuresInARow: 0 });
}

/** The same, where nobody waits for it. */
async function refreshes(row: Row, token: string) {
  row.expectAtOnce(await row.verify(token, PATIENT));
  await until(async () => (await row.stats()).failuresInARow === 0);
  row.expectOneFetch(row.site.issuer.jwksRequests);
}

/** The keys cannot be had: the API is asked all the same, and in time. */
async function userWithoutKeys(row: Row) {
  const token = await row.site.issuer.mint();
  await row.strike();
  // Half of it may be spent on waiting for keys.
  const time = { timeout: 3 * row.time.timeout };
  row.expectGood(await row.user(token, time), time);
  row.expectGood(await row.user(token, time), time);
  await row.expectFewFetches();
}

/** Nobody has asked before. Where a fault is before all places, the keys cannot be had either. */
async function userCold(row: Row) {
  const token = await row.site.issuer.mint();
  await row.strike();
  row.expectFailure(await row.user(token), row.fault.user);
  await expectTries(row, 1);
  await asksAgain(row, token);
}

/** Keys are at hand, and a connection is open. */
async function userWarm(row: Row) {
  const token = await row.site.issuer.mint();
  row.expectGood(await row.user(token, PATIENT), PATIENT);
  await row.strike();
  row.expectFailure(await row.user(token), row.fault.user);
  await expectTries(row, 0);
  await asksAgain(row, token);
}

/** An answer has outlived `maxAge`: those who come together are told by the tries of one. */
async function userInRefresh(row: Row) {
  const { issuer } = row.site;
  const token = await issuer.mint();
  const options = { keys: await keysOfAge(issuer, 0), maxAge: 20 };
  row.expectGood(await row.user(token, { ...options, ...PATIENT }), PATIENT);
  await sleep(25);
  await row.strike();
  row.expectFailure(await row.userTogether(token, options), row.fault.user);
  await expectTries(row, 0);
  await asksAgain(row, token);
}

/** Exactly what is documented; where a fault is before all places, fetches of keys met it as well. */
async function expectTries({ fault, site }: Row, fetches: number) {
  if (fault.how.at === 'port' || fault.lingers) {
    return; // Nobody is there to count.
  }
  // A call can be given up before the site comes to see it.
  await until(() => site.attempts >= fault.tries);
  const most = fault.tries + (fault.how.at === 'request' ? 0 : fetches);
  expect(site.attempts, 'tries').toBeLessThanOrEqual(most);
}

/** The fault is gone, and so is the trouble. */
async function asksAgain(row: Row, token: string) {
  await row.site.heal();
  const before = row.site.issuer.userRequests;
  row.expectGood(await row.user(token, PATIENT), PATIENT);
  expect(row.site.issuer.userRequests - before, 'requests after the fault').toBe(1);
}

const tellsOfKeys = ({ keys }: Fault) => `all are told ${keys} by one fetch`;
const tellsOfUser = ({ user, tries }: Fault) =>
  `the caller is told ${user} after ${tries === 1 ? 'one try' : `${tries} tries`}`;

export const MOMENTS: Moment[] = [
  { call: 'verifyJwt', when: 'cold', place: 'keys', expects: tellsOfKeys, run: keysCold },
  {
    call: 'verifyJwt',
    when: 'warm',
    place: 'keys',
    expects: ({ keys }) => `known keys count and others are told ${keys}`,
    run: keysWarm,
  },
  {
    call: 'verifyJwt',
    when: 'in refresh',
    place: 'keys',
    expects: () => 'known keys count and nobody waits',
    run: keysInRefresh,
  },
  {
    call: 'verifyJwt',
    when: 'stale',
    place: 'keys',
    expects: () => 'known keys count and only the first waits',
    run: keysStale,
  },
  {
    call: 'getUser',
    when: 'without keys',
    place: 'keys',
    // Any other strikes the API as well.
    takes: ({ how }) => how.at === 'request',
    expects: () => 'the API is asked all the same',
    run: userWithoutKeys,
  },
  { call: 'getUser', when: 'cold', place: 'user', expects: tellsOfUser, run: userCold },
  { call: 'getUser', when: 'warm', place: 'user', expects: tellsOfUser, run: userWarm },
  { call: 'getUser', when: 'in refresh', place: 'user', expects: tellsOfUser, run: userInRefresh },
];
