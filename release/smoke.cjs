'use strict';

// Whether the package that is installed in the current folder works: a line of JSON for each check. The
// process has to end by itself, with 0 if all is well.

const assert = require('node:assert/strict');
const { createRequire } = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');

const load = createRequire(path.join(process.cwd(), 'index.js'));

/** @type {Record<string, (stack: any) => unknown>} */
const CHECKS = {
  async import() {
    const { verifyJwt } = await import(pathToFileURL(load.resolve('stack-auth-native')).href);
    assert.equal(typeof verifyJwt, 'function');
  },

  async verify(stack) {
    const { verifyJwt } = load('stack-auth-native');
    const { user, accessToken } = stack.signIn();
    const { payload } = await verifyJwt(accessToken, stack.options);
    assert.equal(payload.sub, user.id);
  },

  async refuse(stack) {
    const { StackAuthError, verifyJwt } = load('stack-auth-native');
    const [header, , signature] = stack.signIn().accessToken.split('.');
    const [, payload] = stack.signIn().accessToken.split('.');
    const forged = [header, payload, signature].join('.');
    const { accessToken: expired } = stack.signIn({ expiresIn: -1 });
    const cases = { ERR_JWS_SIGNATURE_VERIFICATION_FAILED: forged, ERR_JWT_EXPIRED: expired };
    for (const [code, token] of Object.entries(cases)) {
      const error = await verifyJwt(token, stack.options).catch(
        (/** @type {unknown} */ error) => error,
      );
      assert(error instanceof StackAuthError, `${code} was not thrown`);
      assert.equal(error.code, code);
    }
  },

  async threads(stack) {
    const { verifyJwt } = load('stack-auth-native');
    const signedIn = Array.from({ length: 64 }, () => stack.signIn());
    const verified = await Promise.all(
      signedIn.map(({ accessToken }) => verifyJwt(accessToken, stack.options)),
    );
    assert.deepEqual(
      verified.map(({ payload }) => payload.sub),
      signedIn.map(({ user }) => user.id),
    );
  },

  async getUser(stack) {
    const { getUser } = load('stack-auth-native');
    const { user, accessToken } = stack.signIn();
    assert.deepEqual(await getUser(accessToken, stack.options), user);
  },

  async express(stack) {
    const { getAuth, requireUser } = load('stack-auth-native/express');
    const { user, accessToken } = stack.signIn();
    const request = { headers: { authorization: `Bearer ${accessToken}` } };
    const response = { headersSent: false, setHeader() {} };
    const error = await new Promise((next) => requireUser(stack.options)(request, response, next));
    assert.equal(error, undefined);
    assert.equal(getAuth(request).userId, user.id);
  },

  async worker(stack) {
    const { user, accessToken } = stack.signIn();
    const { options } = stack;
    const worker = new Worker(__filename, { workerData: { options, accessToken } });
    const sub = await new Promise((resolve, reject) => {
      worker.once('message', resolve).once('error', reject);
    });
    assert.equal(sub, user.id);
  },
};

/** @param {string} check @param {() => unknown} work */
async function report(check, work) {
  const start = performance.now();
  try {
    const result = await work();
    const ms = Number((performance.now() - start).toFixed(1));
    console.log(JSON.stringify({ check, ok: true, ms }));
    return result;
  } catch (error) {
    process.exitCode = 1;
    const { stack, message } = /** @type {Error} */ (error);
    console.log(JSON.stringify({ check, ok: false, error: message, stack }));
  }
}

function version() {
  const { bun, deno, node } = /** @type {Record<string, string>} */ (process.versions);
  return bun ?? deno ?? node;
}

async function main() {
  console.log(JSON.stringify({ version: version(), arch: process.arch }));
  await report('require', () => load('stack-auth-native'));
  if (process.exitCode) {
    return;
  }
  const stack = await load('stack-auth-native/testing').startStackAuth();
  for (const [check, work] of Object.entries(CHECKS)) {
    await report(check, () => work(stack));
  }
  await stack.stop();
}

async function inWorker() {
  const { verifyJwt } = load('stack-auth-native');
  const { payload } = await verifyJwt(workerData.accessToken, workerData.options);
  parentPort?.postMessage(payload.sub);
}

void (isMainThread ? main() : inWorker());
