// An Express server that answers `GET /`, by itself or behind one who verifies tokens.

import { readFileSync } from 'node:fs';
import express from 'express';
import { createRemoteJWKSet, jwtVerify } from 'jose';

import stackAuthExpress from '../express.js';
import stackAuthNative from '../index.js';
import { payloadOf } from './tokens.js';

const [, , who, baseUrl, projectId, issuer] = process.argv;

/** @type {Record<string, (token: string) => Promise<{ payload: { sub?: string } }>>} */
const verifiers = {
  get ours() {
    const client = new stackAuthNative.StackAuth({ baseUrl, projectId });
    return (token) => client.verifyJwt(token);
  },
  get jose() {
    const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
    const options = { issuer, audience: projectId, algorithms: ['ES256'] };
    return (token) => jwtVerify(token, keys, options);
  },
  get 'a Map, which checks nothing'() {
    const payloads = new Map();
    return async (token) => {
      if (!payloads.has(token)) {
        payloads.set(token, payloadOf(token));
      }
      return { payload: { ...payloads.get(token) } };
    };
  },
};

/** As long as any other, so that all answers are. */
const NOBODY = '00000000-0000-0000-0000-000000000000';

const app = express();
const verify = verifiers[who];
if (verify) {
  app.use(async (request, response, next) => {
    const { payload } = await verify(request.get('x-stack-access-token') ?? '');
    response.locals.userId = payload.sub;
    next();
  });
}
if (who === 'ours, requireUser') {
  app.use(stackAuthExpress.requireUser({ baseUrl, projectId }));
}
app.get('/', (request, response) => {
  response.json({ id: request.auth?.userId ?? response.locals.userId ?? NOBODY });
});
const server = app.listen(0, '127.0.0.1', () => process.send?.(server.address().port));
process.on('message', () => process.send?.(busy()));
process.on('disconnect', () => process.exit());

/**
 * For how many milliseconds the main thread has run. Without Linux, for how many the event loop was busy, which counts the
 * time that others had the processor.
 */
function busy() {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'latin1').split(' ')[0]) / 1e6;
  } catch {
    return performance.eventLoopUtilization().active;
  }
}
