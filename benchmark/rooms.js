// The program of benches/rooms.rs.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cwd = fileURLToPath(new URL('..', import.meta.url));

/**
 * Builds it, and tells its path. With a target that is named, as napi names one, it shares what was compiled for the
 * addon; without, all dependencies would be compiled once more, which takes minutes.
 *
 * @returns {Promise<string>}
 */
export async function buildRooms() {
  const how = ['--locked', '--target', 'host-tuple', '--no-run', '--message-format=json'];
  const { stdout } = await run('cargo', ['bench', '--bench', 'rooms', ...how], {
    cwd,
    maxBuffer: 2 ** 26,
  });
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .find(({ target, executable }) => target?.name === 'rooms' && executable)?.executable;
}
