// `npm run bench:instructions`: how many instructions a hit and a new token take in Rust, counted by
// valgrind. Unlike times, counts are the same on a noisy machine.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { buildRooms } from './rooms.js';

const run = promisify(execFile);

const rooms = await buildRooms();

/** @param {string} room @param {number} times */
async function ofProcess(room, times) {
  const counter = ['--tool=callgrind', '--callgrind-out-file=/dev/null'];
  const name = ['--exact', `rooms::${room}`];
  const bench = ['--bench', ...name, '--sample-count=1', `--sample-size=${times}`];
  const { stderr } = await run('valgrind', [...counter, rooms, ...bench]);
  return Number(stderr.match(/Collected : (\d+)/)[1]);
}

/**
 * Of one time: what twice as many take more. The short ones are done more often, for making a key does
 * not take the same each time.
 *
 * @param {string} room
 * @param {number} times
 */
async function instructions(room, times) {
  return ((await ofProcess(room, 2 * times)) - (await ofProcess(room, times))) / times;
}

const print = (room, count) =>
  console.log(`${room.padEnd(36)}${Math.round(count).toLocaleString('en').padStart(10)}`);
print('a token seen before', await instructions('hit', 50_000));
print('a new token, without the signature', await instructions('token', 5_000));
print('a new token', (await instructions('new_token', 500)) - (await instructions('mint', 500)));
