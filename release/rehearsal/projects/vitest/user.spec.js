import { verifyJwt } from 'stack-auth-native';
import { startStackAuth } from 'stack-auth-native/testing';
import { afterAll, expect, test } from 'vitest';

const stack = await startStackAuth();
afterAll(() => stack.stop());

test('a user is known, and a forger is not', async () => {
  const { user, accessToken } = stack.signIn();
  const { payload } = await verifyJwt(accessToken, stack.options);
  expect(payload.sub).toBe(user.id);
  const forged = verifyJwt(`${accessToken.slice(0, -4)}AAAA`, stack.options);
  await expect(forged).rejects.toMatchObject({ status: 401 });
});
