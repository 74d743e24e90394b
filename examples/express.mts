import express from 'express';
import { authErrorHandler, getAuth, requireUser } from 'stack-auth-native/express';

const app = express();

// Who is calling? Answered here, without a request to Stack Auth.
app.get('/api/me', requireUser(), (request, response) => {
  const { userId, payload } = getAuth(request);
  response.json({ id: userId, email: payload.email });
});

// The whole user, as Stack Auth has it.
app.get('/api/profile', requireUser({ fetchUser: true }), (request, response) => {
  response.json(getAuth(request).user);
});

app.use(authErrorHandler());

export const server = app.listen(process.env.PORT ?? 3000);
