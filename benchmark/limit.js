// What one signature check takes in Rust, by the library and the benchmark that the project has.

import { benchRooms } from './rooms.js';

const IN_MICROSECONDS = { ns: 1e-3, µs: 1, ms: 1e3 };

/** The best mean of 600 tokens, in µs a token: on one thread, and on as many as there are processors. */
export async function bareSignatureCheck() {
  const stdout = await benchRooms('--', 'signature');
  const lines = [...stdout.matchAll(/(?:signature|t=(\d+)) +([\d.]+) (ns|µs|ms)/g)];
  const figures = lines.map(
    ([, threads = 1, figure, unit]) => (Number(figure) * IN_MICROSECONDS[unit]) / Number(threads),
  );
  if (figures.length === 0) {
    throw new Error(`expected a line for "signature", found:\n${stdout}`);
  }
  return { alone: figures[0], together: Math.min(...figures) };
}
