import { expect, test } from 'vitest';

import { stress } from './support/stress.js';

test('threads and processes that end with calls in flight', { timeout: 120_000 }, async () => {
  const output = await stress('life', '--rounds', '4');
  expect(output).toMatch(/^two copies, and vm contexts +work /m);
});
