// Checked by tsc alone, with the types of Express 4 and of Express 5.

import express5 from 'express';
import express4 from 'express4';

import {
  type Auth,
  type AuthMiddleware,
  type AuthOptions,
  authErrorHandler,
  getAuth,
  optionalUser,
  requireUser,
} from '../express.js';
import { type AccessTokenClaims, accessTokenFrom, type CurrentUser, StackAuth } from '../index.js';

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(..._: Same<A, B> extends true ? [] : ['the types differ']): void;

export function inExpress5() {
  const app = express5();
  app.use(optionalUser());
  app.use('/admin', requireUser({ fetchUser: true }));
  app.get('/:id', requireUser(), async (request, response) => {
    same<typeof request.params.id, string>();
    same<typeof request.auth, Auth | undefined>();
    same<ReturnType<typeof getAuth>, Auth>();
    const user = await getAuth(request).getUser();
    response.json({ token: accessTokenFrom(request), user });
  });
  app.route('/route').all(requireUser()).post([optionalUser(), requireUser()]);
  express5.Router().use(requireUser(), authErrorHandler());
  app.use(authErrorHandler());
  const handler: express5.RequestHandler = requireUser();
  const errorHandler: express5.ErrorRequestHandler = authErrorHandler();
  return [handler, errorHandler];
}

export function inExpress4() {
  const app = express4();
  app.use(optionalUser());
  app.use('/admin', requireUser({ fetchUser: true }));
  app.get('/:id', requireUser(), (request, response, next) => {
    same<typeof request.params.id, string>();
    same<typeof request.auth, Auth | undefined>();
    getAuth(request)
      .getUser()
      .then((user) => response.json({ token: accessTokenFrom(request), user }))
      .catch(next);
  });
  app.route('/route').all(requireUser()).post([optionalUser(), requireUser()]);
  express4.Router().use(requireUser(), authErrorHandler());
  app.use(authErrorHandler());
  const handler: express4.RequestHandler = requireUser();
  const errorHandler: express4.ErrorRequestHandler = authErrorHandler();
  return [handler, errorHandler];
}

export function found(auth: Auth) {
  same<typeof auth.token, string>();
  same<typeof auth.payload, AccessTokenClaims>();
  same<typeof auth.userId, string>();
  same<typeof auth.userType, 'regular' | 'restricted' | 'anonymous'>();
  same<typeof auth.user, CurrentUser | undefined>();
  same<ReturnType<typeof auth.getUser>, Promise<CurrentUser>>();
  // @ts-expect-error: what was found is not to be changed
  auth.userId = 'another';
}

export function options(client: StackAuth) {
  const all: AuthOptions = { projectId: 'p', allowAnonymous: true, cookies: true, fetchUser: true };
  same<ReturnType<typeof requireUser>, AuthMiddleware>();
  requireUser(all);
  optionalUser({ client });
  // @ts-expect-error: a typing slip must not switch a check off
  requireUser({ allowAnonymus: false });
  // @ts-expect-error: the class and not a client
  requireUser({ client: StackAuth });
  // @ts-expect-error: it takes no options
  authErrorHandler({});
  // @ts-expect-error: a request is needed
  getAuth();
}
