import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, test } from 'vitest';
import { getUser, verifyJwt } from '../index.js';
import {
  answer,
  backOffOf,
  expiryOf,
  failure,
  gate,
  hold,
  joinedBy,
  sharing,
  startIssuer,
  status,
  times,
  until,
} from './support/cache-issuer.js';
import { sendJson, userOf } from './support/stand-in.js';

const NO_USER = { code: 'ERR_USER_UNAUTHENTICATED', status: 401 };

describe('with maxAge', () => {
  test('concurrent callers share one request', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const open = hold(issuer, 'users/me');
    const joined = joinedBy(issuer, 49);
    const calls = times(50, () => getUser(token, sharing(issuer)));
    await joined();
    open();
    const users = await Promise.all(calls);
    expect(users).toEqual(times(50, () => userOf()));
    expect(new Set(users).size, 'each has an object of its own').toBe(50);
    expect(issuer.userRequests).toBe(1);
  });

  test('concurrent callers share one request where no keys are to be had, too', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const { open, opened } = gate();
    answer(issuer, '/', async ({ url }, response) => {
      if (url?.includes('jwks')) {
        return status(503)(response.req, response);
      }
      await opened;
      return false;
    });
    const joined = joinedBy(issuer, 9);
    const calls = times(10, () => getUser(token, sharing(issuer)));
    await joined();
    open();
    expect(await Promise.all(calls)).toEqual(times(10, () => userOf()));
    expect(issuer.userRequests).toBe(1);
  });

  test('an answer is reused for that long', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const user = await getUser(token, sharing(issuer));
    user.display_name = 'changed by its owner';
    expect(await getUser(token, sharing(issuer))).toEqual(userOf());
    expect(issuer.userRequests).toBe(1);
  });

  test('an answer is not reused for longer, and each caller says how long', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await getUser(token, sharing(issuer));
    await sleep(20);
    await getUser(token, { ...issuer.options, maxAge: 10 });
    expect(issuer.userRequests).toBe(2);
    await getUser(token, sharing(issuer));
    expect(issuer.userRequests).toBe(2);
  });

  test('an answer is as old as its question', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    answer(issuer, 'users/me', async () => {
      await sleep(60);
      return false;
    });
    for (const _ of times(2, () => {})) {
      await getUser(token, { ...issuer.options, maxAge: 50 });
    }
    expect(issuer.userRequests).toBe(2);
  });

  test('an answer to a token that nobody had verified is not reused', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    answer(issuer, '/', (_request, response) => sendJson(response, 200, { status: 'maintenance' }));
    const page = await failure(getUser(token, sharing(issuer)));
    expect(page.code).toBe('ERR_API_UNAVAILABLE');
    issuer.intercept = undefined;
    await backOffOf(issuer);
    expect(await getUser(token, sharing(issuer))).toEqual(userOf());
  });

  test('an answer is not for those without', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await getUser(token, sharing(issuer));
    await getUser(token, issuer.options);
    expect(issuer.userRequests).toBe(2);
    await Promise.all(times(3, () => getUser(token, issuer.options)));
    expect(issuer.userRequests).toBe(5);
  });

  test('neither an answer nor a request is shared across tokens or options', async () => {
    const issuer = await startIssuer();
    answer(issuer, 'users/me', ({ headers }, response) => {
      const asked = Object.entries(headers).filter(([name]) => name.startsWith('x-stack-'));
      sendJson(response, 200, Object.fromEntries(asked));
    });
    const token = await issuer.mint();
    const questions = [
      {},
      { accessType: 'client' },
      { secretServerKey: 'ssk_other' },
      { publishableClientKey: 'pck_one' },
      { publishableClientKey: 'pck_two' },
      { publishableClientKey: 'pck_one', accessType: 'client' },
      { allowRestricted: true },
      { allowAnonymous: true },
    ] as const;
    const ask = () => [
      ...questions.map((question) => getUser(token, { ...sharing(issuer), ...question })),
      issuer.mint({ claims: { sub: 'other' } }).then((other) => getUser(other, sharing(issuer))),
    ];
    const answers = await Promise.all(ask());
    expect(issuer.userRequests).toBe(questions.length + 1);
    expect(new Set(answers.map((given) => JSON.stringify(given))).size).toBe(answers.length);

    await Promise.all(
      questions.map((question) => getUser(token, { ...sharing(issuer), ...question })),
    );
    expect(issuer.userRequests, 'all of them reused').toBe(questions.length + 1);
  });

  test('an answer of some size is kept as well', async () => {
    const issuer = await startIssuer();
    const profile_image_url = `data:image/png;base64,${'A'.repeat(3_000_000)}`;
    issuer.users.set(userOf().id, userOf({ profile_image_url }));
    const token = await issuer.mint();
    for (const _ of times(3, () => {})) {
      expect(await getUser(token, sharing(issuer))).toMatchObject({ profile_image_url });
    }
    expect(issuer.userRequests).toBe(1);
  });

  test('an answer is not shared across servers', async () => {
    const [one, other] = [await startIssuer(), await startIssuer()];
    other.projectId = one.projectId;
    other.users.set(userOf().id, userOf({ display_name: 'Grace Hopper' }));
    const token = await one.mint();
    const options = { ...sharing(other), issuerBaseUrls: [one.url] };
    expect(await getUser(token, sharing(one))).toEqual(userOf());
    expect(await getUser(token, options)).toHaveProperty('display_name', 'Grace Hopper');
  });

  test('a failure is shared by concurrent callers, and not reused', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const user = [...issuer.users];
    issuer.users.clear();
    const open = hold(issuer, 'users/me');
    const joined = joinedBy(issuer, 9);
    const calls = times(10, () => failure(getUser(token, sharing(issuer))));
    await joined();
    open();
    const errors = await Promise.all(calls);
    expect(new Set(errors).size).toBe(10);
    for (const error of errors) {
      expect(error).toMatchObject(NO_USER);
    }
    expect(issuer.userRequests).toBe(1);

    issuer.users = new Map(user);
    expect(await getUser(token, sharing(issuer))).toEqual(userOf());
    expect(issuer.userRequests).toBe(2);
  });

  test('a token that has expired by now is refused, whatever was answered', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await getUser(token, sharing(issuer));
    const currentDate = new Date(Date.now() + 3_600_000);
    const error = await failure(getUser(token, { ...sharing(issuer), currentDate }));
    expect(error).toMatchObject({ code: 'ERR_JWT_EXPIRED', status: 401 });
    expect(issuer.userRequests).toBe(1);
  });

  test('a token that has expired by now is refused, even if no keys are to be had', async () => {
    const issuer = await startIssuer();
    answer(issuer, 'jwks', status(503));
    const token = await issuer.mint({ expiresIn: 4 });
    await getUser(token, sharing(issuer));
    await expiryOf(token);
    expect(await failure(getUser(token, sharing(issuer)))).toMatchObject({ status: 401 });
  });

  test('one caller who is aborted leaves the others their request', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    const open = hold(issuer, 'users/me');
    const controller = new AbortController();
    const aborted = getUser(token, { ...sharing(issuer), signal: controller.signal });
    const others = times(2, () => getUser(token, sharing(issuer)));
    await until(() => issuer.userRequests === 1);
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
    open();
    expect(await Promise.all(others)).toEqual([userOf(), userOf()]);
    expect(issuer.userRequests).toBe(1);
  });

  test.each([[[300, 20_000]], [[20_000, 300]]])(
    'callers with different time-outs (%j) share one request',
    async (timeouts) => {
      const issuer = await startIssuer();
      const token = await issuer.mint();
      await verifyJwt(token, issuer.options); // For keys are not what the shorter one is to wait for.
      const open = hold(issuer, 'users/me');
      const calls = new Map(
        timeouts.map((timeout) => [timeout, getUser(token, { ...sharing(issuer), timeout })]),
      );
      expect(await failure(calls.get(300)!)).toMatchObject({ code: 'ERR_API_TIMEOUT' });
      open();
      expect(await calls.get(20_000)).toEqual(userOf());
      expect(issuer.userRequests).toBe(1);
    },
  );

  test('a caller who waited for keys first has the rest of its time for that request', async () => {
    const issuer = await startIssuer();
    answer(issuer, '/', async (request) => {
      const isAboutUser = request.url?.endsWith('users/me') === true;
      await sleep(1_300);
      return !isAboutUser; // The keys never come.
    });
    const token = await issuer.mint();
    const call = () => getUser(token, { ...sharing(issuer), timeout: 2_000 });
    const first = failure(call());
    await sleep(900);
    // Half of the time is for keys, so the request begins at 1 s, is joined at 1.9 s, and answered at 2.3 s.
    const second = call();
    expect(await first).toMatchObject({ code: 'ERR_API_TIMEOUT' });
    expect(await second).toEqual(userOf());
    expect(issuer.userRequests).toBe(1);
  });

  test('a request waits for no Retry-After that outlasts its callers', async () => {
    const issuer = await startIssuer();
    answer(issuer, '/', (request, response) => {
      // The keys never come, so half of the time is gone before the request.
      if (request.url?.endsWith('users/me')) {
        response.writeHead(429, { 'retry-after': '1' }).end();
      }
    });
    const options = { ...sharing(issuer), timeout: 1_600 };
    const error = await failure(getUser(await issuer.mint(), options));
    expect(error).toMatchObject({ code: 'ERR_API_RATE_LIMITED' });
    expect(issuer.userRequests).toBe(1);
  });

  test('a caller with more time than the one who asked still gets another try', async () => {
    const issuer = await startIssuer();
    const token = await issuer.mint();
    await verifyJwt(token, issuer.options);
    const { open, opened } = gate();
    answer(issuer, 'users/me', async (_request, response) => {
      if (issuer.userRequests > 1) {
        return false;
      }
      await opened;
      response.writeHead(503, { 'retry-after': '1' }).end();
    });
    const hasty = failure(getUser(token, { ...sharing(issuer), timeout: 900 }));
    const patient = getUser(token, { ...sharing(issuer), timeout: 20_000 });
    await until(() => issuer.userRequests === 1);
    open();
    expect(await hasty).toMatchObject({ status: 503 });
    expect(await patient).toEqual(userOf());
  });
});
