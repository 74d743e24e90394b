// A process with two copies of the package: in two threads each, used from `vm` contexts, and made in them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire, Module } from 'node:module';
import path from 'node:path';
import vm from 'node:vm';
import { Worker } from 'node:worker_threads';

/** @type {{ paths: string[], options: import('../index.js').StackAuthOptions, tokens: string[] }} */
const { paths, options, tokens } = JSON.parse(process.argv[2] ?? '');
const require = createRequire(import.meta.url);
const forged = `${tokens[0]?.slice(0, -8)}AAAAAAAA`;

/** Calls of every kind, and how many of them went as they should. */
const code = `
  (async ({ StackAuth, verifyJwt, getUser, StackAuthError }, options, tokens, forged) => {
    const client = new StackAuth(options);
    const verified = await Promise.all(tokens.map((token) => client.verifyJwt(token)));
    const { payload } = await verifyJwt(tokens[0], { ...options, currentDate: new Date() });
    const user = await getUser(tokens[0], { ...options, issuerBaseUrls: ['https://example.com'] });
    const errors = await Promise.all(
      [forged, 'x', undefined].map((token) => verifyJwt(token, options).catch((error) => error)),
    );
    const ours = errors.filter((error) => error instanceof StackAuthError && error.status === 401);
    return verified.length + ours.length + (payload.sub === user.id ? 1 : 0);
  })`;
const ALL = tokens.length + 4;
const callAll = vm.runInThisContext(code);
/** @param {any} addon */
const run = (addon) => callAll(addon, options, tokens, forged);

const copies = paths.map((path) => require(path));
assert.notEqual(copies[0].verifyJwt, copies[1].verifyJwt);
assert.deepEqual(await Promise.all(copies.map(run)), [ALL, ALL]);

const threads = paths.map((path) => {
  const inWorker = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { path, options, tokens, forged } = workerData;
    ${code}(require(path), options, tokens, forged).then((found) => parentPort.postMessage(found));`;
  return new Worker(inWorker, { eval: true, workerData: { path, options, tokens, forged } });
});
const found = await Promise.all(threads.map((thread) => once(thread, 'message')));
assert.deepEqual(found.flat(), [ALL, ALL]);

// One copy goes from its thread while both are at work in this one.
const busy = copies.map(run);
await threads[0]?.terminate();
assert.deepEqual(await Promise.all(busy), [ALL, ALL]);

for (const [at, copy] of copies.entries()) {
  // Options, dates and promises of another realm.
  const context = vm.createContext({ copy, options, tokens, forged });
  const foreignOptions = `JSON.parse(${JSON.stringify(JSON.stringify(options))})`;
  const foreign = `${code}(copy, ${foreignOptions}, tokens, forged)`;
  assert.equal(await vm.runInContext(foreign, context), ALL);

  // Cut off by a time-out, wherever it is just then.
  const endless = `for (;;) {
    for (const token of tokens) {
      copy.verifyJwt(token, { ...options, tokenCacheBytes: 0 }).catch(() => {});
    }
  }`;
  for (let timeout = 5; timeout < 10; timeout += 1) {
    const code = 'ERR_SCRIPT_EXECUTION_TIMEOUT';
    assert.throws(() => vm.runInContext(endless, context, { timeout }), { code });
    assert.equal(await run(copy), ALL);
  }

  // The package itself made in another realm, as jest does with it.
  const realm = vm.createContext({ process, Buffer, AbortSignal, URL, performance });
  const made = loadInto(realm, /** @type {string} */ (paths[at]));
  assert.equal(await run(made), ALL);
  const error = await made.verifyJwt(forged, options).catch((/** @type {unknown} */ it) => it);
  assert.ok(error instanceof vm.runInContext('Error', realm));
}
console.log('done');

/**
 * @param {vm.Context} realm
 * @param {string} folder
 */
function loadInto(realm, folder) {
  /** @type {Map<string, { exports: any }>} */
  const modules = new Map();
  /** @param {string} file @returns {any} */
  function load(file) {
    const known = modules.get(file);
    if (known) {
      return known.exports;
    }
    const module = { exports: {} };
    modules.set(file, module);
    const inRealm = vm.runInContext(Module.wrap(readFileSync(file, 'utf8')), realm, {
      filename: file,
    });
    const inner = createRequire(file);
    inRealm(module.exports, requireFrom, module, file, path.dirname(file));
    return module.exports;

    /** @param {string} id */
    function requireFrom(id) {
      const resolved = inner.resolve(id);
      return resolved.endsWith('.js') ? load(resolved) : inner(id);
    }
  }
  return load(require.resolve(folder));
}
