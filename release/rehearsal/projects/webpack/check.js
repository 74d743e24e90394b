import { equal, rejects } from 'node:assert/strict';

import { verifyJwt } from 'stack-auth-native';
import { startStackAuth } from 'stack-auth-native/testing';

const stack = await startStackAuth();
const { user, accessToken } = stack.signIn();
const { payload } = await verifyJwt(accessToken, stack.options);
equal(payload.sub, user.id);
await rejects(verifyJwt(`${accessToken.slice(0, -4)}AAAA`, stack.options), { status: 401 });
await stack.stop();
