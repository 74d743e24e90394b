// The package managers, and how each is told to add a package.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';

const modules = path.resolve(import.meta.dirname, '../node_modules');

/**
 * @typedef Manager
 * @property {string} name
 * @property {string[]} command
 * @property {'add' | 'install'} add
 * @property {(project: string) => Promise<void>} [prepare]
 */

/** @type {Manager} */
export const npm = {
  name: `npm ${execFileSync('npm', ['--version'], { encoding: 'utf8' }).trim()}`,
  command: ['npm'],
  add: 'install',
};

/** What comes with Node.js 20 and 22, whatever is installed here. */
export const npm10 = {
  ...manager('npm-10', 'bin/npm-cli.js'),
  add: /** @type {const} */ ('install'),
};

export const others = [
  npm10,
  manager('pnpm', 'bin/pnpm.cjs'),
  manager('yarn-classic', 'bin/yarn.js'),
  yarn('node-modules'),
];

/** Without node_modules. TypeScript 7 finds no types there. */
export const plugAndPlay = yarn('pnp');

/**
 * @param {string} dependency of the rehearsal
 * @param {string} bin
 * @returns {Manager}
 */
function manager(dependency, bin) {
  const folder = path.join(modules, dependency);
  const { name, version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const command = [process.execPath, path.join(folder, bin)];
  return { name: `${name} ${version}`, command, add: 'add' };
}

/**
 * The newer yarn, which links packages in either way.
 *
 * @param {'node-modules' | 'pnp'} linker
 * @returns {Manager}
 */
function yarn(linker) {
  const berry = manager('yarn-berry', 'bin/yarn.js');
  return {
    ...berry,
    name: `${berry.name.replace('@yarnpkg/cli-dist', 'yarn')}, ${linker}`,
    async prepare(project) {
      await writeFile(path.join(project, '.yarnrc.yml'), `nodeLinker: ${linker}\n`);
      // Or else it takes a folder above for the project.
      await writeFile(path.join(project, 'yarn.lock'), '');
    },
  };
}
