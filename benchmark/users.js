// `getUser` against `fetch` of the same answer.

import { fetch as undiciFetch } from 'undici';

import stackAuthNative from '../index.js';
import { best, inFlight } from './measure.js';
import { mint } from './tokens.js';

const CALLERS = 32;

/** @param {Awaited<ReturnType<typeof import('./issuer.js').startIssuer>>} issuer */
export async function currentUser(issuer) {
  const { baseUrl, projectId } = issuer;
  const secretServerKey = 'ssk_benchmark';
  const client = new stackAuthNative.StackAuth({ baseUrl, projectId, secretServerKey });
  const token = mint(issuer);
  const url = `${baseUrl}/api/v1/users/me`;
  const headers = {
    'x-stack-access-type': 'server',
    'x-stack-project-id': projectId,
    'x-stack-secret-server-key': secretServerKey,
    'x-stack-access-token': token,
  };
  const contenders = {
    ours: () => client.getUser(token),
    'fetch of Node': async () => (await fetch(url, { headers })).json(),
    'fetch of undici': async () => (await undiciFetch(url, { headers })).json(),
  };
  return best(Object.keys(contenders), 10, async (name) => {
    const { time } = await inFlight(CALLERS, Array(1_500).fill(token), contenders[name]);
    return time;
  });
}
