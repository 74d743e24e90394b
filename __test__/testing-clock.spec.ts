import { setTimeout as sleep } from 'node:timers/promises';
import { runInNewContext } from 'node:vm';

import { describe, expect, onTestFinished, test, vi } from 'vitest';

import { getUser, verifyJwt } from '../index.js';
import { start } from './support/test-kit.js';

describe('the clock', () => {
  test('moves tokens, users/me, and the package by currentDate', async () => {
    const stack = await start();
    const { accessToken } = stack.signIn({ expiresIn: 60 });
    const options = () => ({ ...stack.options, currentDate: stack.clock });
    await getUser(accessToken, options());

    stack.clock = new Date(stack.clock.getTime() + 60_000);
    await expect(getUser(accessToken, options())).rejects.toMatchObject({
      code: 'ERR_JWT_EXPIRED',
    });
    // By its own clock the package takes it, and only users/me knows better.
    await verifyJwt(accessToken, stack.options);
    await expect(getUser(accessToken, stack.options)).rejects.toMatchObject({
      code: 'ERR_USER_UNAUTHENTICATED',
      stackCode: 'ACCESS_TOKEN_EXPIRED',
    });

    stack.clock = new Date('2031-02-03T04:05:06.789Z');
    const later = stack.signIn();
    const { payload } = await verifyJwt(later.accessToken, options());
    expect(payload.iat).toBe(Date.parse('2031-02-03T04:05:06Z') / 1_000);
    expect(payload.exp).toBe((payload.iat ?? 0) + 600);
    expect(later.user.signed_up_at_millis).toBe(stack.clock.getTime());

    stack.clock = new Date('2031-02-04T00:00:00Z');
    stack.signIn({ user: later.user });
    expect(later.user.last_active_at_millis).toBe(stack.clock.getTime());
    expect(later.user.signed_up_at_millis).toBeLessThan(stack.clock.getTime());

    stack.clock = undefined;
    expect(Math.abs(stack.clock.getTime() - Date.now())).toBeLessThan(5_000);
  });

  test('ends a token at its exp, and not before', async () => {
    const stack = await start();
    const then = Date.parse('2031-02-03T04:05:06Z');
    stack.clock = new Date(then);
    const { accessToken, user } = stack.signIn({ expiresIn: 60 });
    stack.clock = new Date(then + 59_999);
    await expect(getUser(accessToken, stack.options)).resolves.toHaveProperty('id', user.id);
    stack.clock = new Date(then + 60_000);
    await expect(getUser(accessToken, stack.options)).rejects.toMatchObject({
      stackCode: 'ACCESS_TOKEN_EXPIRED',
    });
  });

  test('stands still once it is set, and cannot be moved by what it returned', async () => {
    const stack = await start();
    stack.clock = new Date(1_001);
    stack.clock.setTime(5_000);
    await sleep(5);
    expect(stack.clock).toEqual(new Date(1_001));
  });

  test('takes a date of another realm, as a runner may have', async () => {
    const stack = await start();
    stack.clock = runInNewContext('new Date(1_001)');
    expect(stack.clock).toEqual(new Date(1_001));
  });

  test('is the fake one, if there is one', async () => {
    const stack = await start();
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2031-02-03T04:05:06Z') });
    onTestFinished(() => void vi.useRealTimers());
    expect(stack.clock).toEqual(new Date('2031-02-03T04:05:06Z'));
  });

  test.each([[5], ['2031-02-03'], [new Date(Number.NaN)], [null]])('is not %s', async (wrong) => {
    const stack = await start();
    expect(() => {
      stack.clock = wrong as Date;
    }).toThrow(TypeError);
  });
});
