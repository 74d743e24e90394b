// The rows of the table, each printed when it is known.

const WIDTH = 72;
/** @type {{ row: string, failure: Error }[]} */
const failures = [];

export function heading() {
  console.log(`| ${'What is rehearsed'.padEnd(WIDTH)} |       |    time |`);
  console.log(`| ${'-'.repeat(WIDTH)} | ----- | ------- |`);
}

/**
 * A row holds unless its check throws.
 *
 * @param {string} row
 * @param {() => Promise<unknown>} check
 */
export async function holds(row, check) {
  const began = performance.now();
  const failure = await check().then(
    () => undefined,
    (error) => error,
  );
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(
    `| ${row.padEnd(WIDTH)} | ${failure ? 'FAILS' : 'held '} | ${seconds.padStart(5)} s |`,
  );
  if (failure) {
    failures.push({ row, failure });
  }
}

/** Says why rows failed. */
export function report() {
  for (const { row, failure } of failures) {
    console.error(`\n${row}:\n${failure.message.slice(0, 2_000)}`);
  }
  return failures.length === 0;
}
