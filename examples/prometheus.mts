import { subscribe } from 'node:diagnostics_channel';
import express from 'express';
import { Counter, Gauge, Histogram, register } from 'prom-client';
import { type KeysErrorMessage, StackAuth, type VerifyMessage } from 'stack-auth-native';
import { authErrorHandler, getAuth, requireUser } from 'stack-auth-native/express';

// Reads HEXCLAVE_PROJECT_ID (or STACK_…) from the environment.
const client = new StackAuth();

const calls = new Histogram({
  name: 'stack_auth_call_duration_seconds',
  help: 'Calls of verifyJwt and getUser by how they ended',
  labelNames: ['operation', 'code'],
  buckets: [0.000_01, 0.000_1, 0.001, 0.01, 0.1, 1, 5],
});
subscribe('stack-auth-native:verify', (message) => {
  const { operation, code = 'OK', duration } = message as VerifyMessage;
  calls.observe({ operation, code }, duration / 1_000);
});

const failures = new Counter({
  name: 'stack_auth_key_fetch_failures_total',
  help: 'Fetches of keys that brought none',
  labelNames: ['code'],
});
subscribe('stack-auth-native:keys:error', (message) => {
  failures.inc({ code: (message as KeysErrorMessage).error.code });
});

// What has an age, and no moment at which it happens, is read when somebody looks.
new Gauge({
  name: 'stack_auth_key_set_age_seconds',
  help: 'The age of the keys that count; alert when it nears cacheMaxAge and staleIfError together',
  collect() {
    const { age } = client.stats().keys;
    if (age !== undefined) this.set(age / 1_000);
  },
});
new Gauge({
  name: 'stack_auth_token_cache_bytes',
  help: 'Memory of the tokens whose signature need not be checked again',
  collect() {
    this.set(client.stats().tokenCache.bytes);
  },
});

const app = express();
app.get('/metrics', async (_request, response) => {
  response.type(register.contentType).send(await register.metrics());
});
app.get('/api/me', requireUser({ client }), (request, response) => {
  response.json({ id: getAuth(request).userId });
});
app.use(authErrorHandler());

export const server = app.listen(process.env.PORT ?? 3000);
