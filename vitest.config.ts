import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['__test__/**/*.spec.ts'],
    // A spec that hangs is a defect of its own.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // The rows of the fault matrix spend their time waiting.
    maxConcurrency: 12,
    coverage: { include: ['index.js', 'express.js', 'testing.js', 'lib'], reporter: 'text' },
  },
});
