import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { createMiddleware } from 'hono/factory';
import { HTTPException } from 'hono/http-exception';
import {
  type AccessTokenClaims,
  accessTokenFrom,
  StackAuth,
  StackAuthError,
} from 'stack-auth-native';

// Reads HEXCLAVE_PROJECT_ID (or STACK_…) from the environment.
const stackAuth = new StackAuth();
const app = new Hono();

type Env = { Variables: { claims: AccessTokenClaims } };
const requireUser = createMiddleware<Env>(async (context, next) => {
  const accessToken = accessTokenFrom(context.req.raw);
  if (accessToken === undefined) {
    return context.body(null, 401, { 'WWW-Authenticate': 'Bearer realm="stack-auth"' });
  }
  const { payload } = await stackAuth.verifyJwt(accessToken);
  context.set('claims', payload);
  await next();
});

app.get('/api/me', requireUser, (context) => {
  const { sub, email } = context.var.claims;
  return context.json({ id: sub, email });
});

app.onError((error, context) => {
  if (error instanceof HTTPException) {
    const response = error.getResponse(); // as without this handler
    return context.newResponse(response.body, response);
  }
  if (!(error instanceof StackAuthError)) throw error;
  if (error.status >= 500) console.error(error); // ours to mend, not the caller's
  return context.json({ error: error.code }, error.status, error.headers);
});

export const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) });
