// How long the installation takes, and what it takes on the disk, beside that of others.

import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';

import { newProject } from './project.mjs';

const PACKAGES = ['stack-auth-native', 'jose', '@node-rs/jsonwebtoken'];
const ROUNDS = 5;

/** @param {import('./home.mjs').Home} home */
export async function footprint(home) {
  console.log(`\n| npm install, of ${ROUNDS} with a warm cache | median s | MiB on the disk |`);
  console.log('| ---------------------------------- | -------- | --------------- |');
  for (const name of PACKAGES) {
    const { size } = await installation(home, name);
    const seconds = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      seconds.push((await installation(home, name)).seconds);
    }
    const median = seconds.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN;
    const mib = size / 1024 / 1024;
    console.log(`| ${name.padEnd(34)} | ${figure(median, 8)} | ${figure(mib, 15)} |`);
  }
}

/**
 * @param {import('./home.mjs').Home} home
 * @param {string} name
 */
async function installation(home, name) {
  const project = await newProject(home);
  const began = performance.now();
  await home.run(['npm', 'install', '--prefer-offline', name], project);
  const seconds = (performance.now() - began) / 1000;
  return { seconds, size: await sizeOf(path.join(project, 'node_modules')) };
}

/** @param {string} folder */
async function sizeOf(folder) {
  const entries = await readdir(folder, { recursive: true });
  const stats = await Promise.all(entries.map((entry) => stat(path.join(folder, entry))));
  return stats.reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
}

/**
 * @param {number} value
 * @param {number} width
 */
function figure(value, width) {
  return value.toFixed(1).padStart(width);
}
