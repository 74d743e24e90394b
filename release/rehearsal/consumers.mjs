// Projects of every kind, with every package manager: added as the README says, and then used.

import { npm, others, plugAndPlay } from './managers.mjs';
import { newProject } from './project.mjs';
import { holds } from './rows.mjs';

const SCRIPTS = { commonjs: 'a CommonJS script', esm: 'an ESM script' };
const PLAIN = { 'express-server': 'an Express 5 server, in strict TypeScript', ...SCRIPTS };
const BUNDLED = {
  esbuild: 'a bundle of esbuild, with the package external',
  webpack: 'a bundle of webpack, with externals as in Next.js',
  vitest: 'vitest, in forks and in threads',
};

/** @param {import('./home.mjs').Home} home */
export async function consumers(home) {
  await each(home, npm, { ...PLAIN, ...BUNDLED });
  for (const manager of others) {
    await each(home, manager, PLAIN);
  }
  await each(home, plugAndPlay, SCRIPTS);
}

/**
 * @param {import('./home.mjs').Home} home
 * @param {import('./managers.mjs').Manager} manager
 * @param {Record<string, string>} templates
 */
async function each(home, manager, templates) {
  for (const [template, description] of Object.entries(templates)) {
    await holds(`${manager.name}: ${description}`, async () => {
      const project = await newProject(home, template);
      await manager.prepare?.(project);
      await home.run([...manager.command, manager.add, 'stack-auth-native'], project);
      await home.run([...manager.command, 'run', 'check'], project);
    });
  }
}
