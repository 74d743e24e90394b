// `node release/publish.mjs <packed> [--provenance]`: publishes what `pack.mjs` made, in its order. What the
// registry has already is left alone, so that a release that failed half-way is finished by trying again.

import { execFile, execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';

const run = promisify(execFile);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { provenance: { type: 'boolean', default: false } },
});
const [packed] = positionals;
if (!packed) {
  throw new Error('Usage: node release/publish.mjs <packed> [--provenance]');
}
const release = JSON.parse(await readFile(path.join(packed, 'release.json'), 'utf8'));
for (const { name, version, file } of release) {
  if (await isThere(name, version)) {
    console.log(`${name}@${version} was there already`);
    continue;
  }
  // Whoever asks for no version gets no prerelease.
  const tag = version.includes('-') ? 'next' : 'latest';
  const provenance = values.provenance ? ['--provenance'] : [];
  // npm may have to ask whoever publishes by hand. What it says is kept apart from what this says.
  execFileSync('npm', ['publish', `./${file}`, '--tag', tag, ...provenance], {
    cwd: packed,
    stdio: ['inherit', process.stderr, process.stderr],
  });
  await appearance(name, version);
  console.log(`${name}@${version} is published as ${tag}`);
}

/**
 * A registry may show what it took only after a while, and the main package must not be seen before those
 * that it asks for.
 *
 * @param {string} name
 * @param {string} version
 */
async function appearance(name, version) {
  for (const deadline = Date.now() + 300_000; !(await isThere(name, version)); ) {
    if (Date.now() > deadline) {
      throw new Error(`${name}@${version} was published, but does not appear`);
    }
    await sleep(2_000);
  }
}

/**
 * @param {string} name
 * @param {string} version
 */
async function isThere(name, version) {
  try {
    await run('npm', ['view', `${name}@${version}`, 'version', '--prefer-online']);
    return true;
  } catch (error) {
    if (/** @type {{ stderr: string }} */ (error).stderr.includes('E404')) {
      return false;
    }
    throw error;
  }
}
