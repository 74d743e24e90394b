// One more thread that verifies: says what it found, or waits to be ended.

import { parentPort, workerData } from 'node:worker_threads';

import { verifyJwt } from '../../index.js';

const { payload } = await verifyJwt(workerData.token, workerData.options);
parentPort?.postMessage(payload.sub);
