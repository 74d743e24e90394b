import express from 'express';
import { authErrorHandler, getAuth, requireUser } from 'stack-auth-native/express';

const app = express();

app.get('/api/me', requireUser(), (request, response) => {
  const { userId, payload } = getAuth(request);
  response.json({ id: userId, email: payload.email });
});

app.use(authErrorHandler());

export const server = app.listen(0, '127.0.0.1');
