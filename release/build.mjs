// `npm run release:build [-- <target>…]`: the Linux binaries, all on one machine, into dist/.
//
// zig brings a C compiler, a linker and the libcs of all of them, and links against the glibc that is asked
// for. It needs rustup, which brings Rust's standard library for each, and Python, unless zig and
// cargo-zigbuild are on the PATH.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const tools = path.join(root, '.cache/zig');
const TOOLS = ['ziglang==0.17.1', 'cargo-zigbuild==0.24.1'];
/** Of CentOS 7 and Amazon Linux 2, and what Node.js itself was built for until version 18. */
const GLIBC = '2.17';

const { napi } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const chosen = process.argv.slice(2);
const targets =
  chosen.length > 0
    ? chosen
    : napi.targets.filter((/** @type {string} */ target) => target.includes('-linux-'));

/**
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
function run(command, args, env = process.env) {
  execFileSync(command, args, { cwd: root, stdio: 'inherit', env });
}

/** @param {string} command */
function isThere(command) {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return folders.some((folder) => existsSync(path.join(folder, command)));
}

/** A PATH with zig. */
function pathWithZig() {
  const bin = path.join(tools, 'bin');
  if (isThere('zig') && isThere('cargo-zigbuild')) {
    return process.env.PATH;
  }
  if (!existsSync(path.join(bin, 'zig'))) {
    run('python3', ['-m', 'venv', tools]);
    run(path.join(bin, 'pip'), ['install', '--quiet', ...TOOLS]);
    symlinkSync('python-zig', path.join(bin, 'zig'));
  }
  return [bin, process.env.PATH].join(path.delimiter);
}

/** The paths of this machine are nobody's business, and differ between machines. The last that fits wins. */
function withoutPaths() {
  const cargo = process.env.CARGO_HOME ?? path.join(homedir(), '.cargo');
  const rustup = process.env.RUSTUP_HOME ?? path.join(homedir(), '.rustup');
  const names = { [homedir()]: '~', [rustup]: 'rustup', [cargo]: 'cargo', [root]: '.' };
  return Object.entries(names).map(([from, to]) => `--remap-path-prefix=${from}=${to}`);
}

const env = {
  ...process.env,
  PATH: pathWithZig(),
  RUSTFLAGS: [process.env.RUSTFLAGS, ...withoutPaths()].filter(Boolean).join(' '),
};
run('rustup', ['target', 'add', ...targets]);
for (const target of targets) {
  run(
    'node_modules/.bin/napi',
    [
      ...['build', '--platform', '--release', '--no-js', '--dts', '../binding.d.ts'],
      ...['--cross-compile', '--target', target.endsWith('-gnu') ? `${target}.${GLIBC}` : target],
      // Apart from those of `npm run build`, which has other flags.
      ...['--target-dir', 'target/cross', '--output-dir', 'dist', '--', '--locked'],
    ],
    env,
  );
}
