// benches/rooms.rs, by cargo.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cwd = fileURLToPath(new URL('..', import.meta.url));

/**
 * What `cargo bench` prints. With a target that is named, as napi names one, it shares what was compiled for the
 * addon; without, all dependencies would be compiled once more, which takes minutes.
 *
 * @param {string[]} args
 */
export async function benchRooms(...args) {
  const { stdout } = await run(
    'cargo',
    ['bench', '--locked', '--target', 'host-tuple', '--bench', 'rooms', ...args],
    { cwd, maxBuffer: 2 ** 26 },
  );
  return stdout;
}
