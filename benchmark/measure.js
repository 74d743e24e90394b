// How things are timed: contenders take turns, round by round, and of each the best round counts. What
// else the machine does can only make a round slower.

import { performance } from 'node:perf_hooks';

/** On a slow or busy machine, fewer rounds must do, or a run would take more than five minutes. */
const LONG_MS = 6_000;
const FEW_ROUNDS = 3;

/**
 * The best of each contender, in µs per item.
 *
 * @param {string[]} contenders
 * @param {number} rounds
 * @param {(contender: string) => Promise<number>} run µs per item
 * @returns {Promise<Record<string, number>>}
 */
export async function best(contenders, rounds, run) {
  const figures = Object.fromEntries(contenders.map((contender) => [contender, Infinity]));
  const began = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    if (round >= FEW_ROUNDS && performance.now() - began > LONG_MS) {
      break;
    }
    // Whoever comes first after the pause has no lasting advantage.
    const turn = round % contenders.length;
    for (const contender of [...contenders.slice(turn), ...contenders.slice(0, turn)]) {
      const figure = await run(contender);
      figures[contender] = Math.min(figures[contender], figure);
    }
  }
  return figures;
}

/**
 * @param {unknown[]} items
 * @param {(item: any) => unknown} work
 */
export async function oneAtATime(items, work) {
  const started = performance.now();
  for (const item of items) {
    await work(item);
  }
  return ((performance.now() - started) / items.length) * 1_000;
}

/**
 * So many callers, each of whom takes the next item as soon as it has its answer.
 *
 * @param {number} callers
 * @param {unknown[]} items
 * @param {(item: any) => unknown} work
 */
export async function inFlight(callers, items, work) {
  let next = 0;
  const caller = async () => {
    while (next < items.length) {
      await work(items[next++]);
    }
  };
  const busy = performance.eventLoopUtilization();
  const started = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  const took = performance.now() - started;
  const { active } = performance.eventLoopUtilization(busy);
  const perItem = (milliseconds) => (milliseconds / items.length) * 1_000;
  return { time: perItem(took), busy: perItem(active) };
}

/** @param {number[]} figures */
export function median(figures) {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN;
}

/** @template T @param {readonly T[]} items */
export function shuffled(items) {
  const mixed = [...items];
  for (let at = mixed.length - 1; at > 0; at -= 1) {
    const other = Math.floor(Math.random() * (at + 1));
    [mixed[at], mixed[other]] = [mixed[other], mixed[at]];
  }
  return mixed;
}
