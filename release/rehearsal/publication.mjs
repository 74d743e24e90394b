// What the release workflow does with the binaries, here with a registry on loopback.

import { deepEqual, equal, rejects } from 'node:assert/strict';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { holds } from './rows.mjs';

const scripts = path.resolve(import.meta.dirname, '..');
const MAIN = 'stack-auth-native';

/**
 * @param {import('./home.mjs').Home} home
 * @param {string} binaries
 */
export async function publication(home, binaries) {
  const packed = path.join(home.folder, 'packed');
  /** @type {{ name: string, version: string, file: string }[]} */
  let release = [];
  await holds('the packages are made of the binaries, the main one last', async () => {
    await home.run(script('pack.mjs', binaries, packed, '--partial'), home.folder);
    release = JSON.parse(await readFile(path.join(packed, 'release.json'), 'utf8'));
    equal(release.at(-1)?.name, MAIN);
    equal(release.length > 1, true);
  });
  await holds('a release that fails half-way shows nobody a main package', async () => {
    const broken = path.join(home.folder, 'broken');
    await cp(packed, broken, { recursive: true });
    await rm(path.join(broken, release.at(-1)?.file ?? ''));
    await rejects(home.run(script('publish.mjs', broken), home.folder), /ENOENT/);
    await rejects(home.run(['npm', 'view', MAIN], home.folder), /E404/);
  });
  await holds('trying again finishes it', async () => {
    const published = release.map(({ name, version }) =>
      name === MAIN
        ? `${name}@${version} is published as ${tagOf(version)}`
        : `${name}@${version} was there already`,
    );
    deepEqual(await publish(home, packed), published);
  });
  await holds('a third time, nothing is sent', async () => {
    const there = release.map(({ name, version }) => `${name}@${version} was there already`);
    deepEqual(await publish(home, packed), there);
  });
  await holds('a prerelease is published as next, and latest stays', async () => {
    const name = '@stack-auth-native/rehearsal';
    for (const version of ['1.0.0', '1.1.0-rc.1']) {
      await publish(home, await trifle(home, name, version));
    }
    const tags = await home.run(['npm', 'view', name, 'dist-tags', '--json'], home.folder);
    deepEqual(JSON.parse(tags), { latest: '1.0.0', next: '1.1.0-rc.1' });
  });
}

/**
 * @param {import('./home.mjs').Home} home
 * @param {string} packed
 */
async function publish(home, packed) {
  const printed = await home.run(script('publish.mjs', packed), home.folder);
  return printed.trim().split('\n');
}

/**
 * A release of one small package.
 *
 * @param {import('./home.mjs').Home} home
 * @param {string} name
 * @param {string} version
 */
async function trifle(home, name, version) {
  const folder = path.join(home.folder, `trifle-${version}`);
  await mkdir(folder);
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ name, version }));
  const file = (await home.run(['npm', 'pack'], folder)).trim();
  const release = [{ name, version, file }];
  await writeFile(path.join(folder, 'release.json'), JSON.stringify(release));
  return folder;
}

/** @param {string} version */
function tagOf(version) {
  return version.includes('-') ? 'next' : 'latest';
}

/** @param {string[]} command */
function script(...[name, ...args]) {
  return [process.execPath, path.join(scripts, name ?? ''), ...args];
}
