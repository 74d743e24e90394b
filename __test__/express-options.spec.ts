import { describe, expect, test } from 'vitest';
import { optionalUser, requireUser } from '../express.js';
import { StackAuth } from '../index.js';

describe('a mistake in the options', () => {
  const options = { projectId: 'p' };
  test.each<[any, string]>([
    [{ ...options, fetchUsers: true }, 'unknown option "fetchUsers"'],
    [{ ...options, fetchUser: 'yes' }, 'fetchUser must be a boolean, found string'],
    [{ ...options, cookies: 1 }, 'cookies must be a boolean, found number'],
    [{ client: {} }, 'client must be a StackAuth, found object'],
    [{ client: { verifyJwt() {} } }, 'client must be a StackAuth, found object'],
    [{ client: { verifyJwt() {}, getUser() {} } }, 'client must be a StackAuth, found object'],
    [{ client: { verifyJwt() {}, stats() {} } }, 'client must be a StackAuth, found object'],
    [{ client: { getUser() {}, stats() {} } }, 'client must be a StackAuth, found object'],
    [{ ...options, client: new StackAuth(options) }, 'so these do not count: projectId'],
    [{ ...options, timeout: -1 }, 'timeout'],
    [{ ...options, fetchUser: true }, 'fetchUser needs secretServerKey'],
    [{ projectId: 'no such/name' }, 'projectId'],
    ['projectId', 'options must be a plain object'],
  ])('shows at once: %o', (wrong, message) => {
    for (const middleware of [requireUser, optionalUser]) {
      expect(() => middleware(wrong)).toThrow(message);
      expect(() => middleware(wrong)).toThrow(
        expect.objectContaining({ code: 'ERR_CONFIG', status: 500 }),
      );
    }
  });
});

test.each<[string, any]>([
  [
    'fetchUser of a client that has no secret',
    { projectId: 'p', accessType: 'client', fetchUser: true },
  ],
  [
    'an option that is undefined, beside a client',
    { client: new StackAuth({ projectId: 'p' }), baseUrl: undefined },
  ],
])('no mistake is %s', (_what, options) => {
  expect(requireUser(options)).toBeTypeOf('function');
  expect(optionalUser(options)).toBeTypeOf('function');
});
