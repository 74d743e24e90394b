const { equal, rejects } = require('node:assert/strict');
const { verifyJwt } = require('stack-auth-native');
const { startStackAuth } = require('stack-auth-native/testing');

async function main() {
  const stack = await startStackAuth();
  const { user, accessToken } = stack.signIn();
  const { payload } = await verifyJwt(accessToken, stack.options);
  equal(payload.sub, user.id);
  await rejects(verifyJwt(`${accessToken.slice(0, -4)}AAAA`, stack.options), { status: 401 });
  await stack.stop();
}
main();
