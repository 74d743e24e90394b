// Makes the packages that are published, each in a folder of its own: one for each platform, and the main
// one, which alone names the others. In git it does not, for there they may not exist yet, and `npm ci`
// would ask the registry for them.

import { execFile } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '..');
const NOTICES = 'THIRD-PARTY-NOTICES';

/**
 * @param {object} options
 * @param {string} options.binaries a folder with `stack-auth-native.<platform>.node` of each platform
 * @param {string} options.to a folder, whose content is replaced
 * @param {boolean} [options.partial] whether platforms may be left out
 */
export async function makePackages({ binaries, to, partial = false }) {
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  const platforms = await makePlatformPackages(binaries, to, partial);
  const main = await makeMainPackage(to, platforms);
  return { main, platforms: platforms.map(({ folder }) => folder) };
}

/**
 * @param {string} binaries
 * @param {string} to
 * @param {boolean} partial
 */
async function makePlatformPackages(binaries, to, partial) {
  // npm silently skips an optional dependency whose `engines` do not match; the main package warns.
  const { engines, ...manifest } = await readJson(path.join(root, 'package.json'));
  const template = path.join(to, 'package.json');
  await writeJson(template, manifest);
  const napi = path.join(root, 'node_modules/@napi-rs/cli/dist/cli.js');
  await run(process.execPath, [napi, 'create-npm-dirs', '--npm-dir', '.'], { cwd: to });
  await rm(template);
  const made = [];
  const built = await readdir(binaries);
  for (const platform of await readdir(to)) {
    const folder = path.join(to, platform);
    const binding = await readJson(path.join(folder, 'package.json'));
    const { name, version, main } = binding;
    if (built.includes(main)) {
      await copyFile(path.join(binaries, main), path.join(folder, main));
      await copyFile(path.join(root, 'LICENSE'), path.join(folder, 'LICENSE'));
      await copyFile(path.join(root, 'release', NOTICES), path.join(folder, NOTICES));
      await writeJson(path.join(folder, 'package.json'), { ...binding, files: [main, NOTICES] });
      await writeFile(
        path.join(folder, 'README.md'),
        `The native part of [${manifest.name}](https://www.npmjs.com/package/${manifest.name}) for ` +
          `${platform}. Install that package, and this comes with it.\n`,
      );
      made.push({ name, version, folder });
    } else if (partial) {
      await rm(folder, { recursive: true });
    } else {
      throw new Error(`There is no ${main} in ${binaries}`);
    }
  }
  return made;
}

/**
 * @param {string} to
 * @param {{ name: string, version: string }[]} platforms
 */
async function makeMainPackage(to, platforms) {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', to], { cwd: root });
  // An array until npm 12, which names the members by their packages (npm/cli#9247).
  const [{ name, filename }] = Object.values(JSON.parse(stdout));
  const tarball = path.join(to, filename);
  const folder = path.join(to, name);
  await mkdir(folder);
  await run('tar', ['xzf', tarball, '-C', folder, '--strip-components=1']);
  await rm(tarball);
  const { devDependencies, scripts, napi, ...manifest } = await readJson(
    path.join(folder, 'package.json'),
  );
  const optionalDependencies = Object.fromEntries(
    platforms.map(({ name, version }) => [name, version]),
  );
  await writeJson(path.join(folder, 'package.json'), { ...manifest, optionalDependencies });
  return folder;
}

/** @param {string} file */
async function readJson(file) {
  return JSON.parse(await readFile(file, 'utf8'));
}

/**
 * @param {string} file
 * @param {unknown} value
 */
async function writeJson(file, value) {
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`);
}
