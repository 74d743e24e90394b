import { describe, expect, test, vi } from 'vitest';

import { authErrorHandler, requireUser } from '../express.js';
import { StackAuth } from '../index.js';
import { refuseConnections, startIssuer } from './support/cache-issuer.ts';
import { EXPRESSES, serve, silence, withToken } from './support/express-app.ts';

describe.each(EXPRESSES)('in %s, Retry-After', (_version, express) => {
  test('is when keys are fetched next', async () => {
    using _console = silence();
    const issuer = await startIssuer();
    const client = new StackAuth(issuer.options);
    const token = await issuer.mint();
    await refuseConnections(issuer);
    const app = express();
    app.get('/', requireUser({ client }), (_request, response) => void response.json('in'));
    const ask = await serve(app);
    await vi.waitUntil(
      async () => {
        const asked = performance.now();
        const { headers } = await ask('/', withToken(token));
        const wait = client.stats().keys.nextAttemptIn ?? 0;
        const gone = performance.now() - asked + 1;
        const told = Number(headers['retry-after']);
        expect(told).toBeGreaterThanOrEqual(Math.max(1, Math.ceil(wait / 1_000)));
        expect(told).toBeLessThanOrEqual(Math.max(1, Math.ceil((wait + gone) / 1_000)));
        return told > 1;
      },
      { interval: 50, timeout: 20_000 },
    );
  });

  test('of the API has nothing to do with when keys are fetched', async () => {
    using _console = silence();
    const issuer = await startIssuer();
    const client = new StackAuth({ ...issuer.options, timeout: 20_000 });
    await client.warmUp();
    await refuseConnections(issuer);
    const stats = { ...client.stats(), keys: { ...client.stats().keys, nextAttemptIn: 77_000 } };
    Object.defineProperty(client, 'stats', { value: () => stats });
    const app = express();
    app.get('/', requireUser({ client, fetchUser: true }), (_request, response) => {
      response.json('in');
    });
    app.use(authErrorHandler());
    const ask = await serve(app);
    const { body, headers } = await ask('/', withToken(await issuer.mint()));
    expect(body.error).toBe('ERR_API_UNAVAILABLE');
    expect(headers['retry-after']).toBe('5');
  });

  test.each([
    [undefined, '5'],
    [{}, '5'],
    [{ keys: { nextAttemptIn: 0 } }, '1'],
    [{ keys: { nextAttemptIn: 1_001 } }, '2'],
  ])('where stats are %o, is %s', async (stats, retryAfter) => {
    const issuer = await startIssuer();
    const client = new StackAuth(issuer.options);
    const token = await issuer.mint();
    await refuseConnections(issuer);
    Object.defineProperty(client, 'stats', { value: () => stats });
    const app = express();
    app.get('/', requireUser({ client }), (_request, response) => void response.json('in'));
    app.use((error: any, _request: any, response: any, _next: unknown) => {
      response.status(error.status).end();
    });
    const ask = await serve(app);
    const { status, headers } = await ask('/', withToken(token));
    expect([status, headers['retry-after']]).toEqual([503, retryAfter]);
  });
});
