import { accessTokenFrom, StackAuthError, verifyJwt } from 'stack-auth-native';

export const runtime = 'nodejs'; // the edge runtime has no native addons

// The function and not a client, which would want the environment at build time already.
export async function GET(request: Request) {
  try {
    const accessToken = accessTokenFrom(request);
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
    const { status, headers, code } = error;
    return Response.json({ error: code }, { status, headers });
  }
}
