import { subscribe } from 'node:diagnostics_channel';
import { metrics, SpanStatusCode, trace } from '@opentelemetry/api';
import type { KeysErrorMessage, KeysRefreshMessage, VerifyMessage } from 'stack-auth-native';

// Import this file once, after the SDK is set up: `node --import ./opentelemetry.mjs server.mjs`.
const meter = metrics.getMeter('stack-auth-native');
const tracer = trace.getTracer('stack-auth-native');

const duration = meter.createHistogram('stack_auth.call.duration', { unit: 'ms' });
const fetches = meter.createCounter('stack_auth.keys.fetches');

subscribe('stack-auth-native:verify', (message) => {
  const call = message as VerifyMessage;
  const attributes = { operation: call.operation, 'error.type': call.code };
  duration.record(call.duration, attributes);
  // A verification takes microseconds; what may ask the API is worth a span of its own.
  if (call.operation === 'getUser') {
    const end = Date.now();
    const span = tracer.startSpan('stack-auth getUser', {
      startTime: end - call.duration,
      attributes: { ...attributes, 'enduser.id': call.userId },
    });
    if (call.code) span.setStatus({ code: SpanStatusCode.ERROR, message: call.code });
    span.end(end);
  }
});

subscribe('stack-auth-native:keys:refresh', (message) => {
  const { url } = message as KeysRefreshMessage;
  fetches.add(1, { 'url.full': url });
});

subscribe('stack-auth-native:keys:error', (message) => {
  const { url, error } = message as KeysErrorMessage;
  fetches.add(1, { 'url.full': url, 'error.type': error.code });
});
