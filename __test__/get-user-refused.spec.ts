// An answer of users/me counts only until the API refuses its token.

import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, test } from 'vitest';
import { getUser } from '../index.js';
import {
  answer,
  failure,
  gate,
  hold,
  joinedBy,
  sharing,
  startIssuer,
  status,
  until,
} from './support/cache-issuer.js';
import { KnownErrors, type Request, type Response, sendError, userOf } from './support/stand-in.js';

const NO_USER = { code: 'ERR_USER_UNAUTHENTICATED', status: 401 };

const refuse = (_request: Request, response: Response) =>
  sendError(response, new KnownErrors.CannotGetOwnUserWithoutUser());

describe('with maxAge', () => {
  test('an answer that was asked for before the API refused the token is not kept', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const open = hold(issuer, 'users/me');
    const asked = getUser(token, sharing(issuer));
    await until(() => issuer.userRequests === 1);
    answer(issuer, 'users/me', refuse);
    expect(await failure(getUser(token, issuer.options))).toMatchObject(NO_USER);
    open();
    expect(await asked).toEqual(userOf());
    expect(await failure(getUser(token, sharing(issuer)))).toMatchObject(NO_USER);
  });

  test('nor does it take the place of a newer request', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const open = hold(issuer, 'users/me');
    const older = getUser(token, sharing(issuer));
    await until(() => issuer.userRequests === 1);
    answer(issuer, 'users/me', refuse);
    await failure(getUser(token, issuer.options));
    const { open: openNewer, opened } = gate();
    answer(issuer, 'users/me', async (request, response) => {
      await opened;
      refuse(request, response);
    });
    const newer = failure(getUser(token, sharing(issuer)));
    await until(() => issuer.userRequests === 3);
    open();
    expect(await older).toEqual(userOf());
    const joined = joinedBy(issuer, 1);
    const last = failure(getUser(token, sharing(issuer)));
    await joined();
    openNewer();
    expect([await newer, await last]).toMatchObject([NO_USER, NO_USER]);
    expect(issuer.userRequests).toBe(3);
  });

  test('an answer is forgotten once the API has refused the type of the user', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await getUser(token, sharing(issuer));
    answer(issuer, 'users/me', (_request, response) => {
      response.writeHead(403, { 'x-stack-known-error': 'RESTRICTED_USER_NOT_ALLOWED' }).end();
    });
    for (const options of [issuer.options, sharing(issuer)]) {
      expect(await failure(getUser(token, options))).toMatchObject({ status: 403 });
    }
  });

  test.each([
    ['without maxAge', {}],
    ['with a shorter one', { maxAge: 1 }],
  ])('an answer is not reused once the API has refused the token, asked %s', async (_, own) => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const user = await getUser(token, sharing(issuer));
    await sleep(2);
    answer(issuer, 'users/me', status(503));
    await failure(getUser(token, { ...issuer.options, ...own }));
    expect(await getUser(token, sharing(issuer)), 'an outage refuses nobody').toEqual(user);
    answer(issuer, 'users/me', refuse);
    for (const options of [{ ...issuer.options, ...own }, sharing(issuer)]) {
      expect(await failure(getUser(token, options))).toMatchObject(NO_USER);
    }
  });

  test('an answer that is too old by now does not outlive a failure', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const options = { ...issuer.options, maxAge: 10 };
    await getUser(token, options);
    await sleep(15);
    answer(issuer, 'users/me', refuse);
    expect(await failure(getUser(token, options))).toMatchObject(NO_USER);
  });
});
