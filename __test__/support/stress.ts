import path from 'node:path';

import { root, run } from './consumer.js';

/** What one of the commands of `stress/` prints; an error with all of it if something did not hold. */
export async function stress(command: string, ...args: string[]) {
  // What this runner tells its children would have them report to it.
  const { NODE_OPTIONS, VITEST, ...env } = process.env;
  const script = path.join(root, 'stress', `${command}.js`);
  const { stdout } = await run(process.execPath, ['--expose-gc', script, ...args], { env }).catch(
    ({ message, stdout }) => {
      throw new Error(`${message}\n${stdout}`);
    },
  );
  return stdout as string;
}
