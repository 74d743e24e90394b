import express from 'express';
import { authErrorHandler, getAuth, requireUser } from 'stack-auth-native/express';

const app = express();

// Who is calling? Answered here, without a request to Stack Auth.
app.get('/api/me', requireUser(), (request, response) => {
  const { userId, payload } = getAuth(request);
  response.json({ id: userId, email: payload.email });
});

// The whole user, as Stack Auth has it: some of that, like `server_metadata`, is for your server alone.
app.get('/api/profile', requireUser({ fetchUser: true }), (request, response) => {
  const { user } = getAuth(request);
  response.json({ id: user?.id, name: user?.display_name, email: user?.primary_email });
});

app.use(authErrorHandler());

export const server = app.listen(process.env.PORT ?? 3000);
