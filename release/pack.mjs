// `node release/pack.mjs <binaries> <to> [--partial]`: makes the tarballs of a release, and beside them
// `release.json`, in the order in which to publish them. `--partial` leaves out platforms without a binary.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';

import { makePackages } from './packages.mjs';

const run = promisify(execFile);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { partial: { type: 'boolean', default: false } },
});
const [binaries, to] = positionals.map((folder) => path.resolve(folder));
if (!binaries || !to) {
  throw new Error('Usage: node release/pack.mjs <binaries> <to> [--partial]');
}
await mkdir(to, { recursive: true });
const folder = await mkdtemp(path.join(tmpdir(), 'packages-'));
try {
  const { main, platforms } = await makePackages({ binaries, to: folder, ...values });
  const release = [];
  // The main one last: whoever gets it finds what it asks for.
  for (const made of [...platforms, main]) {
    await nameRepository(path.join(made, 'package.json'));
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', to], {
      cwd: made,
    });
    const [{ name, version, filename, size }] = Object.values(JSON.parse(stdout));
    release.push({ name, version, file: filename });
    console.log(`${filename}: ${Math.ceil(size / 1024)} KiB`);
  }
  await writeFile(path.join(to, 'release.json'), `${JSON.stringify(release, null, 2)}\n`);
} finally {
  await rm(folder, { recursive: true });
}

/**
 * npm takes a provenance only for a package that names the repository in which it was built.
 *
 * @param {string} file
 */
async function nameRepository(file) {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY } = process.env;
  if (GITHUB_REPOSITORY) {
    const manifest = JSON.parse(await readFile(file, 'utf8'));
    const url = `git+${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}.git`;
    const complete = { ...manifest, repository: { type: 'git', url } };
    await writeFile(file, `${JSON.stringify(complete, null, 2)}\n`);
  }
}
