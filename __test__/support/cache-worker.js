// One more thread that verifies: says what it found, and again whenever it is asked.

import { parentPort, workerData } from 'node:worker_threads';

import { verifyJwt } from '../../index.js';

async function verify() {
  const { payload } = await verifyJwt(workerData.token, workerData.options);
  return payload.sub;
}

parentPort?.postMessage(await verify());
parentPort?.on('message', async () => {
  parentPort?.postMessage(await verify().catch(({ code }) => code));
});
