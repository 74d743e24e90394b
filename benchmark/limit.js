// What one signature check takes in Rust, by the library and the benchmark that the project has.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { buildRooms } from './rooms.js';

const run = promisify(execFile);
const IN_MICROSECONDS = { ns: 1e-3, µs: 1, ms: 1e3 };

/** The mean of 600 tokens on each of so many threads, in µs a token. */
export async function bareSignatureCheck() {
  const rooms = await buildRooms();
  /** @param {number} threads */
  return async (threads) => {
    const how = ['--sample-count=1', `--threads=${threads}`];
    const { stdout } = await run(rooms, ['--bench', 'signature', ...how]);
    const line = stdout.split('\n').find((text) => text.includes('signature')) ?? '';
    const [, , , mean] = line.matchAll(/([\d.]+) (ns|µs|ms)/g);
    if (!mean) {
      throw new Error(`expected a mean for "signature", found:\n${stdout}`);
    }
    const [, figure, unit] = mean;
    return (Number(figure) * IN_MICROSECONDS[unit]) / threads;
  };
}
