import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { accessTokenFrom, StackAuth, StackAuthError } from 'stack-auth-native';

// Reads HEXCLAVE_PROJECT_ID (or STACK_…) from the environment.
const stackAuth = new StackAuth();

async function answer(request: IncomingMessage, response: ServerResponse) {
  const accessToken = accessTokenFrom(request);
  if (accessToken === undefined) {
    response.writeHead(401, { 'WWW-Authenticate': 'Bearer realm="stack-auth"' }).end();
    return;
  }
  const { payload } = await stackAuth.verifyJwt(accessToken);
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ id: payload.sub, email: payload.email }));
}

export const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    const { status, headers } = error instanceof StackAuthError ? error : { status: 500 };
    if (status >= 500) console.error(error); // ours to mend, not the caller's
    response.writeHead(status, headers).end();
  });
});

server.listen(process.env.PORT ?? 3000);
