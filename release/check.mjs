// `npm run release:check [-- <file>…]`: judges binaries by their own bytes, those of dist/ unless others are
// named. It needs readelf, of GNU binutils.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

const root = path.resolve(import.meta.dirname, '..');
const MAX_BYTES = 6 * 1024 * 1024;
const MAX_GLIBC = '2.17';
const MACHINES = { x64: 'Advanced Micro Devices X86-64', arm64: 'AArch64' };
/** What every Linux that Node.js runs on has: glibc's parts, or musl, and the unwinder of GCC. */
const LIBRARIES = {
  gnu: /^(lib(c|m|pthread|dl|rt)\.so\.\d|ld-linux-(x86-64|aarch64)\.so\.\d|libgcc_s\.so\.1)$/,
  musl: /^(libc\.so|libc\.musl-\w+\.so\.1|libgcc_s\.so\.1)$/,
};
/** Of this machine, and where other machines have theirs. */
const PATHS = [homedir(), root, '/home/', '/Users/', '\\Users\\', '/root/', '/builds/'];

/** @param {string} file */
function check(file) {
  const bytes = readFileSync(file);
  const platform = /\.([\w-]+)\.node$/.exec(file)?.[1] ?? '';
  const found = PATHS.filter((text) => text.length > 1 && bytes.includes(text));
  const elf = platform.startsWith('linux-') ? readElf(file) : undefined;
  const problems = [
    ...(bytes.length > MAX_BYTES ? [`larger than ${MAX_BYTES} bytes`] : []),
    ...found.map((text) => `holds a path: ${text}`),
    ...(platform.startsWith('win32-') && bytes.includes('VCRUNTIME140')
      ? ['needs the C runtime of Visual Studio']
      : []),
    ...(elf ? problemsOf(elf, platform) : []),
  ];
  return { file: path.basename(file), bytes, elf, problems };
}

/** @param {string} file */
function readElf(file) {
  const read = [
    '--wide',
    '--file-header',
    '--dynamic',
    '--sections',
    '--version-info',
    '--dyn-syms',
  ];
  const text = execFileSync('readelf', [...read, file], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
    maxBuffer: 2 ** 26,
  });
  /** @param {RegExp} pattern */
  const all = (pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? '');
  return {
    machine: all(/^ *Machine: +(.+)$/gm)[0],
    needed: all(/\(NEEDED\).*\[(.+)\]$/gm),
    searched: all(/\((RPATH|RUNPATH)\)/g),
    glibc: all(/\bGLIBC_(\d+(?:\.\d+)+)\b/g)
      .sort(byVersion)
      .at(-1),
    symbols: all(/^ *\[ *\d+\] (\.symtab|\.debug_\w+) /gm),
    isAddon: / napi_register_module_v1$/m.test(text),
  };
}

/**
 * @param {ReturnType<typeof readElf>} elf
 * @param {string} platform
 */
function problemsOf(elf, platform) {
  const [, arch, libc] = /** @type {['linux', 'x64' | 'arm64', 'gnu' | 'musl']} */ (
    platform.split('-')
  );
  const strange = elf.needed.filter((library) => !LIBRARIES[libc].test(library));
  const tooNew = elf.glibc && (libc === 'musl' || byVersion(elf.glibc, MAX_GLIBC) > 0);
  return [
    ...(elf.machine === MACHINES[arch] ? [] : [`for ${elf.machine}`]),
    ...strange.map((library) => `needs ${library}`),
    ...elf.searched.map((tag) => `has ${tag}`),
    ...(tooNew ? [`needs glibc ${elf.glibc}`] : []),
    ...(libc === 'gnu' && !elf.glibc ? ['names no version of glibc'] : []),
    ...(elf.symbols.length > 0 ? ['not stripped'] : []),
    ...(elf.isAddon ? [] : ['no addon of Node-API']),
  ];
}

/**
 * @param {string} a
 * @param {string} b
 */
function byVersion(a, b) {
  return a.localeCompare(b, 'en', { numeric: true });
}

const dist = path.join(root, 'dist');
const files =
  process.argv.length > 2
    ? process.argv.slice(2)
    : readdirSync(dist)
        .filter((file) => file.endsWith('.node'))
        .map((file) => path.join(dist, file));
const checks = files.map(check);
console.table(
  checks.map(({ file, bytes, elf, problems }) => ({
    file,
    MiB: (bytes.length / 2 ** 20).toFixed(2),
    'MiB gzip': (gzipSync(bytes).length / 2 ** 20).toFixed(2),
    machine: elf?.machine ?? 'not looked at',
    needs: elf?.needed.join(' ') ?? '',
    glibc: elf?.glibc ?? '',
    verdict: problems.length > 0 ? problems.join(', ') : 'good',
  })),
);
process.exitCode =
  checks.length > 0 && checks.every(({ problems }) => problems.length === 0) ? 0 : 1;
