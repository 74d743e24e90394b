import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { accessTokenFrom, StackAuth, StackAuthError } from 'stack-auth-native';

// Reads HEXCLAVE_PROJECT_ID (or STACK_…) from the environment.
const stackAuth = new StackAuth();
export const server = createServer();
const io = new Server(server);

// In a browser, `io({ auth: async (give) => give({ accessToken: … }) })`: it is asked at each new attempt.
// A server can set headers instead.
io.use(async (socket, next) => {
  try {
    const accessToken = socket.handshake.auth.accessToken ?? accessTokenFrom(socket.request);
    const { payload } = await stackAuth.verifyJwt(accessToken ?? '');
    socket.data.userId = payload.sub;
    // A connection lasts no longer than its token: the client comes back with another, as after `disconnect` it would not.
    const left = Math.min(payload.exp * 1_000 - Date.now(), 2 ** 31 - 1); // all that a timer takes
    const expiry = setTimeout(() => socket.conn.close(), left);
    socket.once('disconnect', () => clearTimeout(expiry));
    next();
  } catch (error) {
    if (!(error instanceof StackAuthError)) return next(new Error('internal error'));
    if (error.status >= 500) console.error(error); // ours to mend, not the caller's
    next(Object.assign(new Error(error.code), { data: { retryable: error.retryable } }));
  }
});

io.on('connection', (socket) => {
  socket.emit('hello', socket.data.userId);
});

server.listen(process.env.PORT ?? 3000);
