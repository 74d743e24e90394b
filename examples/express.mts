import express, { type ErrorRequestHandler } from 'express';
import { StackAuth, StackAuthError } from 'stack-auth-native';

// Reads HEXCLAVE_PROJECT_ID and HEXCLAVE_SECRET_SERVER_KEY (or STACK_…) from the environment.
const stackAuth = new StackAuth();
const app = express();

// Who is calling? Answered here, without a request to Stack Auth.
app.get('/api/me', async (request, response) => {
  const { payload } = await stackAuth.verifyJwt(request.get('x-stack-access-token') ?? '');
  response.json({ id: payload.sub, email: payload.email });
});

// The whole user, as Stack Auth has it.
app.get('/api/profile', async (request, response) => {
  response.json(await stackAuth.getUser(request.get('x-stack-access-token') ?? ''));
});

const answerAuthErrors: ErrorRequestHandler = (error, _request, response, next) => {
  if (!(error instanceof StackAuthError)) return next(error);
  if (error.status >= 500) console.error(error); // ours to mend, not the caller's
  response.status(error.status).json({ error: error.code });
};
app.use(answerAuthErrors);

export const server = app.listen(process.env.PORT ?? 3000);
