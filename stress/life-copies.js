// A process with two copies of the package, in two threads each, and with both in `vm` contexts.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import vm from 'node:vm';
import { Worker } from 'node:worker_threads';

/** @type {{ paths: string[], options: import('../index.js').StackAuthOptions, tokens: string[] }} */
const { paths, options, tokens } = JSON.parse(process.argv[2] ?? '');
const require = createRequire(import.meta.url);
const forged = `${tokens[0]?.slice(0, -8)}AAAAAAAA`;

/** Many at once, and how many of them were good. */
const code = `
  (async ({ StackAuth, verifyJwt, getUser, StackAuthError }, options, tokens, forged) => {
    const client = new StackAuth(options);
    const verified = await Promise.all(tokens.map((token) => client.verifyJwt(token)));
    await verifyJwt(tokens[0], { ...options, currentDate: new Date() });
    await getUser(tokens[0], { ...options, issuerBaseUrls: ['https://example.com'] });
    const errors = await Promise.all(
      [forged, 'x', undefined].map((token) => verifyJwt(token, options).catch((error) => error)),
    );
    const ours = errors.filter((error) => error instanceof StackAuthError && error.status === 401);
    return verified.filter(({ payload }) => payload.iss.startsWith('http')).length + ours.length;
  })`;
const all = tokens.length + 3;
/** @param {string} path @param {string[]} tokens */
const run = (path, tokens) => vm.runInThisContext(code)(require(path), options, tokens, forged);

const copies = paths.map((path) => require(path));
assert.notEqual(copies[0].verifyJwt, copies[1].verifyJwt);

assert.deepEqual(await Promise.all(paths.map((path) => run(path, tokens))), [all, all]);

const threads = paths.map((path) => {
  const workerData = { path, options, tokens, forged };
  const inWorker = `
    const { parentPort, workerData: { path, options, tokens, forged } } = require('node:worker_threads');
    ${code}(require(path), options, tokens, forged).then((found) => parentPort.postMessage(found));`;
  return new Worker(inWorker, { eval: true, workerData });
});
const found = await Promise.all(threads.map((thread) => once(thread, 'message')));
assert.deepEqual(found.flat(), [all, all]);
// One copy goes from its thread while the other is at work in its own.
const busy = paths.map((path) => run(path, tokens));
await threads[0]?.terminate();
assert.deepEqual(await Promise.all(busy), [all, all]);

// Options, dates and promises of another realm.
for (const path of paths) {
  const sandbox = vm.createContext({ require, path, options, tokens, forged });
  const foreign = `${code}(require(path), JSON.parse(${JSON.stringify(JSON.stringify(options))}), tokens, forged)`;
  assert.equal(await vm.runInContext(foreign, sandbox), all);
  // Cut off between two calls, however deep.
  const endless = `const { verifyJwt } = require(path);
    for (;;) for (const token of tokens) verifyJwt(token, options).catch(() => {});`;
  for (let round = 0; round < 5; round += 1) {
    assert.throws(() => vm.runInContext(`{${endless}}`, sandbox, { timeout: 10 + round }), {
      code: 'ERR_SCRIPT_EXECUTION_TIMEOUT',
    });
    assert.equal(await run(path, tokens), all);
  }
}

/** The package itself, made in another realm, as jest does with it. */
const { Module } = await import('node:module');
/** @param {string} path @param {vm.Context} context */
function loadInto(path, context) {
  /** @type {Map<string, { exports: any }>} */
  const modules = new Map();
  /** @param {string} file */
  const load = (file) => {
    const known = modules.get(file);
    if (known) {
      return known.exports;
    }
    const inner = createRequire(file);
    if (file.endsWith('.node')) {
      return inner(file);
    }
    const module = { exports: {} };
    modules.set(file, module);
    const wrapped = Module.wrap(require('node:fs').readFileSync(file, 'utf8'));
    const from = (/** @type {string} */ id) => {
      const resolved = inner.resolve(id);
      return resolved.startsWith('/') && !resolved.endsWith('.json') ? load(resolved) : inner(id);
    };
    vm.runInContext(wrapped, context, { filename: file })(module.exports, from, module, file, '');
    return module.exports;
  };
  return load(require.resolve(path));
}
for (const path of paths) {
  const context = vm.createContext({ process, Buffer, AbortSignal, URL, performance });
  const foreign = loadInto(path, context);
  assert.equal(await vm.runInThisContext(code)(foreign, options, tokens, forged), all);
  const error = await foreign.verifyJwt(forged, options).catch((/** @type {any} */ error) => error);
  assert.ok(error instanceof vm.runInContext('Error', context));
  assert.ok(!(error instanceof Error));
}
console.log('done');
