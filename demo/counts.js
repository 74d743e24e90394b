// Counts verifications for the page, as long as `stats()` does not.

import { StackAuthError } from '../index.js';

/** How many there were since the start, by how they went. */
export const counts = { accepted: 0, refused: 0 };

/**
 * @template T
 * @param {Promise<T>} verification
 */
export async function counted(verification) {
  try {
    const verified = await verification;
    counts.accepted += 1;
    return verified;
  } catch (error) {
    if (error instanceof StackAuthError && error.status < 500) {
      counts.refused += 1;
    }
    throw error;
  }
}
