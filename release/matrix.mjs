// `npm run matrix [-- <runtime>…] [--suite]`: release/smoke.cjs on each runtime, with the packages as they are
// published, put where `npm ci --ignore-scripts` puts them, from the binaries in dist/. With `--suite`, all
// specs as well, where vitest runs.

import { execFile, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';

import { makePackages } from './packages.mjs';
import { runtimes } from './runtimes.mjs';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '..');
const cache = path.join(root, '.cache');

/**
 * @typedef {import('./runtimes.mjs').Runtime} Runtime
 * @typedef {Awaited<ReturnType<typeof makePackages>>} Packages
 * @typedef {{ check: string, ok: boolean, ms: number, stack: string }} Check
 */

/**
 * @param {Runtime} runtime
 * @returns where it is
 */
function install({ name, install }) {
  const folder = path.join(cache, 'runtimes', name);
  if (!existsSync(folder)) {
    console.error(`Fetching ${name}`);
    const partial = `${folder}.partial`;
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial, { recursive: true });
    install(partial);
    renameSync(partial, folder);
  }
  return folder;
}

/**
 * A project with the packages of one platform.
 *
 * @param {string} app
 * @param {string} platform
 * @param {Packages} packages
 */
function makeProject(app, platform, { main, platforms }) {
  const binding = platforms.find((folder) => path.basename(folder) === platform);
  if (!binding) {
    throw new Error('there is no binary in dist/: npm run release:build');
  }
  const modules = path.join(app, 'node_modules');
  rmSync(app, { recursive: true, force: true });
  cpSync(main, path.join(modules, 'stack-auth-native'), { recursive: true });
  cpSync(binding, path.join(modules, `@stack-auth-native/binding-${platform}`), {
    recursive: true,
  });
  // Without one it would be a part of the project around it, which has the name that is asked for.
  writeFileSync(path.join(app, 'package.json'), '{ "private": true }');
  copyFileSync(path.join(import.meta.dirname, 'smoke.cjs'), path.join(app, 'smoke.cjs'));
}

/**
 * @param {Runtime} runtime
 * @param {Packages} packages
 */
async function smoke(runtime, packages) {
  const folder = install(runtime);
  const app = path.join(folder, 'app');
  makeProject(app, runtime.platform, packages);
  const [command, ...args] = /** @type {[string, ...string[]]} */ (runtime.command(folder));
  const options = { cwd: app, timeout: 180_000 };
  const { stdout, stderr, code, signal } = await run(
    command,
    [...args, 'smoke.cjs'],
    options,
  ).catch((failure) => failure);
  /** @type {({ version: string } & Check)[]} */
  const [started, ...checks] = stdout.split('\n').filter(Boolean).map(JSON.parse);
  return {
    version: started?.version,
    cells: Object.fromEntries(checks.map(({ check, ok, ms }) => [check, ok ? ms : 'bad'])),
    problems: [
      ...checks.filter(({ ok }) => !ok).map(({ check, stack }) => `${check}: ${stack}`),
      ...(code || signal ? [`ended with ${signal ?? code}: ${stderr}`] : []),
    ],
  };
}

/** @param {Runtime} runtime */
function allSpecs(runtime) {
  const [node, ...args] = /** @type {[string, ...string[]]} */ (runtime.command(install(runtime)));
  const vitest = [path.join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--pool=forks'];
  return spawnSync(node, [...args, ...vitest], { cwd: root, stdio: 'inherit' }).status === 0;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { suite: { type: 'boolean', default: false } },
});
const binaries = path.join(root, 'dist');
mkdirSync(binaries, { recursive: true });
const packages = await makePackages({ binaries, to: path.join(cache, 'packages'), partial: true });
const rows = [];
for (const runtime of runtimes) {
  const { name, platform, hasVitest } = runtime;
  if (positionals.length > 0 && !positionals.includes(name)) {
    continue;
  }
  const { version, cells, problems } = await smoke(runtime, packages).catch((error) => ({
    version: undefined,
    cells: {},
    problems: [`not run: ${error.message}`],
  }));
  const specs = values.suite && hasVitest ? { specs: allSpecs(runtime) ? 'good' : 'bad' } : {};
  const bad = problems.length > 0 || specs.specs === 'bad';
  rows.push({
    runtime: name,
    version,
    platform,
    ...cells,
    ...specs,
    verdict: bad ? 'bad' : 'good',
  });
  for (const problem of problems) {
    console.error(`${name}: ${problem}`);
  }
}
console.table(rows);
process.exitCode = rows.length > 0 && rows.every(({ verdict }) => verdict === 'good') ? 0 : 1;
