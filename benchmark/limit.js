// What one signature check takes in Rust, by the library and the benchmark that the project has.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cwd = fileURLToPath(new URL('..', import.meta.url));
const IN_MICROSECONDS = { ns: 1e-3, µs: 1, ms: 1e3 };

/** The best mean of 600 tokens, in µs. */
export async function bareSignatureCheck() {
  const { stdout } = await run(
    'cargo',
    ['bench', '--locked', '--bench', 'rooms', '--', 'signature'],
    {
      cwd,
      maxBuffer: 2 ** 24,
    },
  );
  const [, figure, unit] = stdout.match(/─ signature\s+([\d.]+) (ns|µs|ms)/) ?? [];
  if (figure === undefined) {
    throw new Error(`expected a line for "signature", found:\n${stdout}`);
  }
  return Number(figure) * IN_MICROSECONDS[unit];
}
