// `npm run release:rehearse`: publishes to a registry on loopback as the release workflow does, installs from
// there as users do, and prints what held. Only this platform has a package, of `npm run build`; with `--all`,
// all that `npm run release:build` has left in dist/.

import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { consumers } from './rehearsal/consumers.mjs';
import { footprint } from './rehearsal/footprint.mjs';
import { hardened } from './rehearsal/hardened.mjs';
import { newHome } from './rehearsal/home.mjs';
import { publication } from './rehearsal/publication.mjs';
import { startRegistry } from './rehearsal/registry.mjs';
import { heading, report } from './rehearsal/rows.mjs';

const root = path.resolve(import.meta.dirname, '..');
const { values } = parseArgs({ options: { all: { type: 'boolean', default: false } } });
const built = (await readdir(root)).find((file) => file.endsWith('.node'));
if (!built) {
  throw new Error('There is no binary: run `npm run build`');
}
const folder = await mkdtemp(path.join(tmpdir(), 'rehearsal-'));
const upstream = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim();
const registry = await startRegistry(upstream, folder);
heading();
try {
  const home = await newHome(path.join(folder, 'home'), registry.url);
  await publication(home, values.all ? path.join(root, 'dist') : await onlyOf(built));
  await consumers(home);
  await hardened(home, path.join(root, built));
  await footprint(home);
} finally {
  registry.stop();
  await rm(folder, { recursive: true, force: true });
}
process.exitCode = report() ? 0 : 1;

/** @param {string} binary */
async function onlyOf(binary) {
  const binaries = path.join(folder, 'binaries');
  await mkdir(binaries);
  await copyFile(path.join(root, binary), path.join(binaries, binary));
  return binaries;
}
