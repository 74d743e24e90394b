import { onTestFinished } from 'vitest';
import { StandIn } from './stand-in.js';

export const NOW = 1_800_000_000;
export const ELSEWHERE = 'https://auth.example.com';

/** A stand-in of the test's own. */
export async function start() {
  const standIn = await StandIn.start();
  onTestFinished(() => standIn.close());
  return standIn;
}

export function issuerOf({ url, projectId }: StandIn, base = url) {
  return `${base}/api/v1/projects/${projectId}`;
}

/** A regular user's claims, good at `NOW`; a change to `undefined` takes a claim away. */
export function claimsOf(standIn: StandIn, changes: object = {}) {
  return {
    iss: issuerOf(standIn),
    aud: standIn.projectId,
    sub: 'user-1',
    iat: NOW - 60,
    exp: NOW + 60,
    is_anonymous: false,
    is_restricted: false,
    ...changes,
  };
}

export function at(seconds: number) {
  return new Date(seconds * 1_000);
}
