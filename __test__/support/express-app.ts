import { once } from 'node:events';
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';

import express5 from 'express';
import express4 from 'express4';
import { onTestFinished, vi } from 'vitest';

import { authErrorHandler, getAuth } from '../../express.js';

/** Both, by the name that they have in a spec; what the specs use of them is the same. */
export const EXPRESSES: Array<[name: string, express: typeof express5]> = [
  ['Express 4', express4 as unknown as typeof express5],
  ['Express 5', express5],
];

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The text, if it is JSON. */
  body: any;
}

/** Tells who called, as both ways to ask have it. */
export function appOf(express: typeof express5, ...handlers: any[]) {
  const app = express();
  app.get('/', ...handlers, (request, response) => {
    const { auth } = request;
    response.json({ ...auth, same: auth === undefined ? undefined : getAuth(request) === auth });
  });
  return app.use(authErrorHandler());
}

/** Serves an app for one test, and returns what asks it; by `node:http`, for fetch sends no cookies. */
export async function serve(app: ReturnType<typeof express5>) {
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return async (path: string, headers: OutgoingHttpHeaders = {}, method = 'GET') => {
    const sent = request({ port, path, headers, method, agent: false }).end();
    const [response] = await once(sent, 'response');
    const text = Buffer.concat(await response.toArray()).toString();
    const isJson = response.headers['content-type']?.includes('json');
    const body = isJson && text ? JSON.parse(text) : undefined;
    return { status: response.statusCode, headers: response.headers, text, body } as Answer;
  };
}

/** The header that most requests of the specs have. */
export const withToken = (token: string) => ({ 'x-stack-access-token': token });

/** A silent console, and what was written to it. */
export function silence() {
  const spy = vi.spyOn(console, 'error').mockImplementation(() => {});
  return {
    [Symbol.dispose]: () => spy.mockRestore(),
    get lines() {
      return spy.mock.calls;
    },
  };
}
