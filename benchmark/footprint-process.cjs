// Prints what loading a package, and one verification with it, take of a fresh process.

const [, , who, token, baseUrl, projectId, issuer] = process.argv;

const started = performance.now();
let verify = async () => {};
if (who === 'ours') {
  const { verifyJwt } = require('..');
  verify = () => verifyJwt(token, { baseUrl, projectId });
} else if (who === 'jose') {
  const { createRemoteJWKSet, jwtVerify } = require('jose');
  verify = () => {
    const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
    return jwtVerify(token, keys, { issuer, audience: projectId, algorithms: ['ES256'] });
  };
}
const load = performance.now() - started;

(async () => {
  await verify();
  console.log(JSON.stringify({ load, resident: process.memoryUsage.rss() / 2 ** 20 }));
  process.exit();
})();
