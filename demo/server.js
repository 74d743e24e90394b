// The server of `npm run demo -- --serve`: an API that wants access tokens, a page that calls it, and
// what the page does to the stand-in for Stack Auth.

import path from 'node:path';

import express from 'express';

import { accessTokenFrom, StackAuth, StackAuthError } from '../index.js';

/**
 * @import { ErrorRequestHandler, Request, Response } from 'express'
 * @import { StackAuthStandIn, UserType } from '../testing.js'
 */

const PEOPLE = {
  regular: { email: 'ada@example.com', displayName: 'Ada Lovelace' },
  restricted: { email: 'grace@example.com', displayName: 'Grace Hopper' },
  anonymous: {},
};

/** @param {StackAuthStandIn} stack */
export function createServer(stack) {
  const clients = {
    regular: new StackAuth(stack.options),
    restricted: new StackAuth({ ...stack.options, allowRestricted: true }),
    anonymous: new StackAuth({ ...stack.options, allowAnonymous: true }),
  };
  let down = false;

  const app = express();
  app.disable('x-powered-by');
  app.use((_request, response, next) => {
    response.set('content-security-policy', "default-src 'self'");
    next();
  });
  app.use(express.static(path.join(import.meta.dirname, 'page')));

  app.get('/api/claims', async (request, response) => {
    const client = clients[userTypeIn(request.query.admits)];
    const verified = await timed(response, () => client.verifyJwt(tokenOf(request)));
    response.json(verified.payload);
  });

  app.get('/api/users/me', async (request, response) => {
    const client = clients[userTypeIn(request.query.admits)];
    response.json(await timed(response, () => client.getUser(tokenOf(request))));
  });

  app.post('/stand-in/sign-in/:type', (request, response) => {
    const type = userTypeIn(request.params.type);
    response.json(stack.signIn({ type, ...PEOPLE[type], fields: { server_metadata: { type } } }));
  });

  app.post('/stand-in/sign-in-again/:user', (request, response) => {
    const expired = request.query.expired === 'true';
    response.json(stack.signIn({ user: request.params.user, expiresIn: expired ? -1 : 600 }));
  });

  app.post('/stand-in/rotate-keys', (_request, response) => {
    stack.rotateKeys();
    response.status(204).end();
  });

  app.post('/stand-in/down', async (_request, response) => {
    await stack.outage('refuse');
    down = true;
    response.status(204).end();
  });

  app.post('/stand-in/up', async (_request, response) => {
    await stack.recover();
    down = false;
    response.status(204).end();
  });

  app.get('/stand-in/state', (request, response) => {
    response.json({ down, ...clients[userTypeIn(request.query.admits)].stats() });
  });

  app.use(answerErrors);
  return app;
}

/** With the message, which nobody but a demonstration should tell the caller. @type {ErrorRequestHandler} */
const answerErrors = (error, _request, response, next) => {
  if (!(error instanceof StackAuthError)) {
    next(error);
    return;
  }
  const { status, code, message, ...members } = error;
  response.status(status).json({ error: code, message, ...members });
};

/** @param {Request} request */
function tokenOf(request) {
  return accessTokenFrom(request) ?? '';
}

/**
 * The user type of that name, or regular.
 *
 * @param {unknown} name
 * @returns {UserType}
 */
function userTypeIn(name) {
  return name === 'restricted' || name === 'anonymous' ? name : 'regular';
}

/**
 * Tells the page how long it took, however it goes.
 *
 * @template T
 * @param {Response} response
 * @param {() => Promise<T>} work
 */
async function timed(response, work) {
  const started = performance.now();
  try {
    return await work();
  } finally {
    response.set('server-timing', `auth;dur=${performance.now() - started}`);
  }
}
