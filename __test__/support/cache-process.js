// A process of its own: makes one call, and at a message aborts it, if it still can, says how it
// went, and has nothing left to do.

import { on } from 'node:events';

import { getUser, StackAuth, verifyJwt } from '../../index.js';

const messages = on(process, 'message');
const [{ call, token, options, abortable }] = (await messages.next()).value;
const controller = new AbortController();
const ending = messages.next().then(() => controller.abort());
const signal = abortable ? controller.signal : undefined;
/**
 * @import { StackAuthOptions } from '../../index.js'
 * @type {Record<string, (token: string, options: StackAuthOptions) => Promise<unknown>>}
 */
const calls = { getUser, verifyJwt, warmUp: (_token, options) => new StackAuth(options).warmUp() };
const outcome = await calls[call]?.(token, { ...options, signal }).then(
  () => 'done',
  (error) => error.name,
);
await ending;
process.send?.(outcome, () => process.disconnect());
