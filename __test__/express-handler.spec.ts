import { createRequire } from 'node:module';
import path from 'node:path';

import { describe, expect, test, vi } from 'vitest';

import { authErrorHandler, optionalUser, requireUser } from '../express.js';
import type { StackAuthError } from '../index.js';
import { startIssuer } from './support/cache-issuer.ts';
import { EXPRESSES, serve } from './support/express-app.ts';

const require = createRequire(import.meta.url);

describe.each(EXPRESSES)('authErrorHandler in %s', (_version, express) => {
  test('leaves other errors to others', async () => {
    const app = express();
    app.get('/', (_request, _response, next) => next(new Error('of another kind')));
    app.get('/odd', (_request, _response, next) => next({ name: 'StackAuthError', status: 401 }));
    app.use(authErrorHandler());
    app.use((error: any, _request: any, response: any, _next: unknown) => {
      response.status(418).json(error.message ?? 'odd');
    });
    const ask = await serve(app);
    expect(await ask('/')).toMatchObject({ status: 418, body: 'of another kind' });
    expect(await ask('/odd')).toMatchObject({ status: 418, body: 'odd' });
  });

  test('has no part in the answer to other errors', () => {
    const response = { headersSent: false, setHeader: vi.fn(), status: vi.fn() };
    const next = vi.fn();
    const error = Object.assign(new Error('of another kind'), { status: 401, headers: { a: 'b' } });
    authErrorHandler()(error, {} as any, response as any, next);
    expect(next.mock.calls).toEqual([[error]]);
    expect(response.setHeader).not.toHaveBeenCalled();
    expect(response.status).not.toHaveBeenCalled();
  });

  test.each<[string, any]>([
    ['requireUser', requireUser],
    ['optionalUser', optionalUser],
    ['authErrorHandler', authErrorHandler],
  ])('says so where %s was not called', async (name, maker) => {
    const app = express();
    app.get('/fine', (_request, response) => response.end());
    app.use('/', name === 'authErrorHandler' ? requireUser({ projectId: 'p' }) : maker);
    app.use(maker);
    app.use((error: any, _request: any, response: any, _next: unknown) => {
      response.status(error.status).json(error.message);
    });
    const ask = await serve(app);
    const body = `${name} makes a middleware: write ${name}() in place of ${name}`;
    expect(await ask('/')).toMatchObject({ status: 500, body });
    expect(await ask('/fine')).toMatchObject({ status: 200 });
  });

  test('lets makers be handed on', () => {
    expect([{ projectId: 'p' }, { projectId: 'q' }].map(requireUser)).toHaveLength(2);
  });

  test('leaves a response alone that has begun', async () => {
    const issuer = await startIssuer();
    const errors: StackAuthError[] = [];
    const app = express();
    app.get(
      '/',
      (_request, response, next) => {
        response.write('begun');
        next();
      },
      requireUser(issuer.options),
    );
    app.use(authErrorHandler());
    app.use((error: any, _request: any, response: any, _next: unknown) => {
      errors.push(error);
      response.end(', and ended');
    });
    const ask = await serve(app);
    expect(await ask('/')).toMatchObject({ status: 200, text: 'begun, and ended' });
    expect(errors).toMatchObject([{ code: 'ERR_TOKEN_MISSING' }]);
  });

  test('knows the errors of another copy of this package', async () => {
    const errors = path.resolve(import.meta.dirname, '../lib/errors.js');
    delete require.cache[errors];
    const { callerError } = require(errors);
    const error = callerError('ERR_JWS_INVALID', 401, 'of another copy');
    const app = express();
    app.get('/', (_request, _response, next) => next(error));
    app.use(authErrorHandler());
    const ask = await serve(app);
    expect(await ask('/')).toMatchObject({ status: 401, body: { error: 'ERR_JWS_INVALID' } });
  });

  test('answers an error that has no headers as well', async () => {
    const error = Object.assign(new Error(), {
      name: 'StackAuthError',
      code: 'ERR_JWS_INVALID',
      status: 401,
    });
    const app = express();
    app.get('/', (_request, _response, next) => next(error));
    app.use(authErrorHandler());
    const ask = await serve(app);
    expect(await ask('/')).toMatchObject({ status: 401, body: { error: 'ERR_JWS_INVALID' } });
  });

  test('answers HEAD without a body', async () => {
    const issuer = await startIssuer();
    const app = express();
    app.use(requireUser(issuer.options), authErrorHandler());
    const ask = await serve(app);
    const answer = await ask('/', {}, 'HEAD');
    expect(answer).toMatchObject({ status: 401, text: '' });
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="stack-auth"');
  });
});
