// Installations with less than usual, from lock files of elsewhere, and on machines without a binary.

import { deepEqual, equal, match } from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { npm10 } from './managers.mjs';
import { newProject } from './project.mjs';
import { holds } from './rows.mjs';

const HERE = `${process.platform}-${process.arch}`;
const ADD = ['npm', 'install', 'stack-auth-native'];
const CHECK = ['npm', 'run', 'check'];
/** Another platform, for which there is a binary; not this one's. */
const ELSEWHERE =
  process.platform === 'darwin' ? ['--os=linux', '--cpu=x64'] : ['--os=darwin', '--cpu=arm64'];

/**
 * @param {import('./home.mjs').Home} home
 * @param {string} binary of this platform
 */
export async function hardened(home, binary) {
  await holds('npm installs the package of this platform, and of no other', async () => {
    const project = await newProject(home);
    await home.run(ADD, project);
    const installed = await readdir(path.join(project, 'node_modules/@stack-auth-native'));
    equal(installed.length, 1);
    match(String(installed[0]), new RegExp(`^binding-${HERE}`));
  });
  await holds('npm ci --ignore-scripts', async () => {
    const project = await newProject(home, 'commonjs');
    await home.run(ADD, project);
    await home.run(['npm', 'ci', '--ignore-scripts'], project);
    await home.run(CHECK, project);
  });
  await holds('--omit=optional: the error says which package is missing, and why', async () => {
    const project = await newProject(home);
    await home.run([...ADD, '--omit=optional'], project);
    const { code, status, message } = await failureOf(home, project);
    deepEqual([code, status], ['ERR_BINARY_MISSING', 500]);
    match(message, new RegExp(`@stack-auth-native/binding-${HERE}`));
    match(message, /--omit=optional/);
  });
  await holds('… unless STACK_AUTH_NATIVE_BINARY names one', async () => {
    const project = await newProject(home, 'commonjs');
    await home.run([...ADD, '--omit=optional'], project);
    await home.run(['env', `STACK_AUTH_NATIVE_BINARY=${binary}`, ...CHECK], project);
  });
  await holds('a platform without a binary: the error names it, and those with one', async () => {
    const project = await newProject(home);
    await home.run(ADD, project);
    const { code, status, message } = await failureOf(home, project, 'freebsd', 'riscv64');
    deepEqual([code, status], ['ERR_UNSUPPORTED_PLATFORM', 500]);
    match(message, /freebsd-riscv64/);
    match(message, /x64 and arm64 of Linux/);
    match(message, /STACK_AUTH_NATIVE_BINARY/);
  });
  await holds('node_modules of another platform: the error says what to do', async () => {
    const project = await newProject(home);
    await home.run(ADD, project);
    const { code, message } = await failureOf(home, project, 'win32', 'arm64');
    equal(code, 'ERR_BINARY_MISSING');
    match(message, /@stack-auth-native\/binding-win32-arm64-msvc/);
    match(message, /remove node_modules and the lock file, and install again/);
  });
  await holds('a lock file of another platform: npm ci', async () => {
    const project = await newProject(home, 'commonjs');
    await home.run([...ADD, ...ELSEWHERE], project);
    await home.run(['npm', 'ci'], project);
    await home.run(CHECK, project);
  });
  await incompleteLockFile(home);
}

/**
 * npm/cli#4828: a lock file that npm made of another platform's node_modules lacks this platform's package.
 * npm 11 refuses to install from it.
 *
 * @param {import('./home.mjs').Home} home
 */
async function incompleteLockFile(home) {
  const project = await newProject(home, 'commonjs');
  /** @param {string[]} args */
  const npm = (...args) => home.run([...npm10.command, ...args], project);
  await holds('a lock file as of npm/cli#4828: the error says what to do', async () => {
    await npm('install', 'stack-auth-native', ...ELSEWHERE, '--no-package-lock');
    await npm('install', ...ELSEWHERE);
    await npm('ci');
    const { code, message } = await failureOf(home, project);
    equal(code, 'ERR_BINARY_MISSING');
    match(message, /npm\/cli\/issues\/4828/);
  });
  await holds('… and that helps', async () => {
    for (const name of ['node_modules', 'package-lock.json']) {
      await rm(path.join(project, name), { recursive: true });
    }
    await npm('install');
    await npm('run', 'check');
  });
}

/**
 * What the package throws when it is loaded, here or on a machine that looks like another.
 *
 * @param {import('./home.mjs').Home} home
 * @param {string} project
 * @param {string} [platform]
 * @param {string} [arch]
 */
async function failureOf(home, project, platform = process.platform, arch = process.arch) {
  const pretence = `Object.defineProperties(process, {
    platform: { value: '${platform}' }, arch: { value: '${arch}' } });`;
  await writeFile(path.join(project, 'pretence.cjs'), pretence);
  const load = `try { require('stack-auth-native'); } catch ({ code, status, message }) {
    console.log(JSON.stringify({ code, status, message })); }`;
  const command = [process.execPath, '--require', './pretence.cjs', '--eval', load];
  return JSON.parse(await home.run(command, project));
}
