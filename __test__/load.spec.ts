import { expect, test } from 'vitest';

import { stress } from './support/stress.js';

test('an outage, rotations and a withdrawal under load', { timeout: 120_000 }, async () => {
  const output = await stress('load', '--seconds', '10');
  expect(output).toMatch(/^outcomes that should have been otherwise +0 /m);
});
