import { accessTokenFrom, StackAuthError, verifyJwt } from 'stack-auth-native';

// The function and not a client, which would want the environment at build time already.
export async function GET(request: Request) {
  // Outside of `try`: at build time, Next.js throws here what only Next.js should catch.
  const { headers } = request;
  try {
    const accessToken = accessTokenFrom(headers);
    if (accessToken === undefined) {
      return new Response(null, {
        status: 401,
        headers: { 'WWW-Authenticate': 'Bearer realm="stack-auth"' },
      });
    }
    const { payload } = await verifyJwt(accessToken);
    return Response.json({ id: payload.sub, email: payload.email });
  } catch (error) {
    if (!(error instanceof StackAuthError)) throw error;
    if (error.status >= 500) console.error(error); // ours to mend, not the caller's
    return Response.json({ error: error.code }, { status: error.status, headers: error.headers });
  }
}
