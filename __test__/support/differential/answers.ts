import * as jose from 'jose';
import { verifyJwt } from '../../../index.js';
import { expectNothingOf } from '../tokens.js';
import { TWO_KEYS_ONE_KID } from './differences.js';
import { peek } from './peek.js';
import { currentDate, issuerOf, type World } from './world.js';

/** What was verified; or why not, as `"<code> <claim> <reason>"`, without what there is none of. */
type Answer = { verified: { payload: any; protectedHeader: any } } | { refused: string };

async function answerOf(
  call: Promise<{ payload: any; protectedHeader: any }>,
): Promise<[Answer, error?: any]> {
  try {
    const { payload, protectedHeader } = await call;
    return [{ verified: { payload, protectedHeader } }];
  } catch (error: any) {
    const words = [error.code ?? error.name, error.claim, error.reason];
    return [{ refused: words.filter((word) => word !== undefined).join(' ') }, error];
  }
}

export async function askUs(world: World, token: string): Promise<Answer> {
  const [answer, error] = await answerOf(verifyJwt(token, world.options));
  if (error) {
    expectNothingOf(token, error);
  }
  return answer;
}

/** In place of its caller, to whom it leaves the loop over keys of one kid. */
export async function askJose(world: World, token: string): Promise<[Answer, difference?: string]> {
  const options: jose.JWTVerifyOptions = {
    algorithms: ['ES256'],
    issuer: issuerOf(world),
    audience: world.standIn.projectId,
    requiredClaims: ['exp', 'sub'],
    currentDate,
  };
  const keySet = jose.createLocalJWKSet({ keys: world.keys });
  const [answer, error] = await answerOf(jose.jwtVerify(token, keySet, options));
  if (
    error?.code !== 'ERR_JWKS_MULTIPLE_MATCHING_KEYS' ||
    typeof peek(token).header.kid !== 'string'
  ) {
    return [answer];
  }
  for await (const key of error) {
    const [answer, error] = await answerOf(jose.jwtVerify(token, key, options));
    if (error?.code !== 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED') {
      return [answer, TWO_KEYS_ONE_KID];
    }
  }
  return [{ refused: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' }];
}
