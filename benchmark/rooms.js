// benches/rooms.rs, by cargo.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cwd = fileURLToPath(new URL('..', import.meta.url));

/**
 * What `cargo bench` prints. It builds where the addon was built, for most of that takes minutes to compile again.
 *
 * @param {string[]} args
 */
export async function benchRooms(...args) {
  const host = await run('rustc', ['--print', 'host-tuple'], { cwd });
  const { stdout } = await run(
    'cargo',
    ['bench', '--locked', '--target', host.stdout.trim(), '--bench', 'rooms', ...args],
    { cwd, maxBuffer: 2 ** 26 },
  );
  return stdout;
}
