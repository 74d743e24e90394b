import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import {
  type AccessTokenClaims,
  accessTokenFrom,
  StackAuth,
  StackAuthError,
} from 'stack-auth-native';

declare module 'fastify' {
  interface FastifyRequest {
    claims: AccessTokenClaims | undefined;
  }
}

// Reads HEXCLAVE_PROJECT_ID (or STACK_…) from the environment.
const stackAuth = new StackAuth();
const app = Fastify();
app.decorateRequest('claims', undefined);

// A hook, for the routes that need a user.
async function requireUser(request: FastifyRequest, reply: FastifyReply) {
  const accessToken = accessTokenFrom(request.raw);
  if (accessToken === undefined) {
    return reply.code(401).header('WWW-Authenticate', 'Bearer realm="stack-auth"').send();
  }
  request.claims = (await stackAuth.verifyJwt(accessToken)).payload;
}

app.get('/api/me', { onRequest: requireUser }, async ({ claims }) => {
  return { id: claims?.sub, email: claims?.email };
});

app.setErrorHandler((error, _request, reply) => {
  if (!(error instanceof StackAuthError)) throw error;
  if (error.status >= 500) console.error(error); // ours to mend, not the caller's
  return reply.code(error.status).headers(error.headers).send({ error: error.code });
});

await app.listen({ port: Number(process.env.PORT ?? 3000) });
export const { server } = app;
