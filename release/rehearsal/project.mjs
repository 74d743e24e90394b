// A new project, in a folder of its own.

import { cp, mkdtemp, writeFile } from 'node:fs/promises';
import path from 'node:path';

const projects = path.join(import.meta.dirname, 'projects');

/**
 * @param {import('./home.mjs').Home} home
 * @param {string} [template] a folder of `projects`; without, the project is empty
 */
export async function newProject(home, template = 'empty') {
  const project = await mkdtemp(path.join(home.folder, `${template}-`));
  if (template === 'empty') {
    await writeFile(path.join(project, 'package.json'), '{ "private": true }');
  } else {
    await cp(path.join(projects, template), project, { recursive: true });
  }
  return project;
}
