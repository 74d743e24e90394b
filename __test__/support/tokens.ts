import type { KeyObject } from 'node:crypto';
import { createPrivateKey, sign as createSignature } from 'node:crypto';
import { createRequire } from 'node:module';
import { inspect } from 'node:util';
import type { JWK } from 'jose';
import { expect } from 'vitest';
import { StackAuthError, type VerifyJwtOptions, verifyJwt } from '../../index.js';
import { newSigner as newKey } from '../../stress/tokens.js';
import { type StandIn, sendJson } from './stand-in.js';

// Its CommonJS build: the ESM one does not resolve in Node.
const { getPrivateJwks } = createRequire(import.meta.url)(
  '@stackframe/stack-shared/dist/utils/jwt',
);

/** A key that signs tokens, and the JWK to publish for it. */
export interface Signer {
  jwk: JWK;
  key: KeyObject;
}

/** A new key, of our own. */
export function newSigner(kid: string): Signer {
  const { jwk, key } = newKey(kid);
  const { alg: _, ...rest } = jwk as JWK;
  return { jwk: rest, key };
}

/** The two keys that Stack Auth derives from the stand-in's project and the secret that signs. */
export async function signersOf({ projectId, secrets }: StandIn): Promise<Signer[]> {
  process.env.STACK_SERVER_SECRET = secrets[0];
  const jwks: Array<JWK & { d: string }> = await getPrivateJwks({ audience: projectId });
  return jwks.map((privateJwk) => {
    const { d, ...jwk } = privateJwk;
    return { jwk, key: createPrivateKey({ key: privateJwk, format: 'jwk' }) };
  });
}

/** Text and bytes as they are, anything else as JSON. */
export type Content = string | Uint8Array | object | null;

export function base64url(content: Content) {
  const asIs = typeof content === 'string' || content instanceof Uint8Array;
  return Buffer.from(asIs ? content : JSON.stringify(content)).toString('base64url');
}

/** A token of any header and any payload. */
export function sign(header: Content, payload: Content, signer: Signer) {
  return signEncoded(`${base64url(header)}.${base64url(payload)}`, signer);
}

/** Signs the text before the last dot, whatever it is. */
export function signEncoded(input: string, { key }: Signer) {
  const signature = createSignature('sha256', Buffer.from(input), {
    key,
    dsaEncoding: 'ieee-p1363',
  });
  return `${input}.${signature.toString('base64url')}`;
}

/** From now on the stand-in's key set is this one. */
export function serve(standIn: StandIn, keys: unknown[]) {
  standIn.intercept = (request, response) => {
    const asked = request.url?.split('?')[0]?.endsWith('/.well-known/jwks.json');
    if (asked) {
      sendJson(response, 200, { keys });
    }
    return asked;
  };
}

/** The refusal of a token that must be refused, by an error that says nothing of the token. */
export async function refusal(token: string, options: VerifyJwtOptions): Promise<StackAuthError> {
  const error = await verifyJwt(token, options).then(
    () => expect.unreachable('it was accepted'),
    (error) => error,
  );
  expect(error).toBeInstanceOf(StackAuthError);
  expectNothingOf(token, error);
  return error;
}

/** Neither the token nor a part of it may be in anything that a log would take from an error. */
export function expectNothingOf(token: string, error: any) {
  const { message, stack, cause } = error;
  const shown = [message, stack, cause?.message, cause?.stack, JSON.stringify(error)]
    .concat(inspect(error, { depth: 9, showHidden: true }))
    .join('\n');
  for (const part of [token, ...token.split('.')].filter(({ length }) => length > 20)) {
    expect(shown).not.toContain(part);
  }
}
