// Who takes part, each with the settings that are best for it.

import nodeRs from '@node-rs/jsonwebtoken';
import { JwtVerifier } from 'aws-jwt-verify';
import { createVerifier } from 'fast-jwt';
import { createRemoteJWKSet, jwtVerify } from 'jose';

import stackAuthNative from '../index.js';
import { jwks, pem } from './tokens.js';

const { StackAuth, verifyJwt } = stackAuthNative;

/**
 * @param {{ baseUrl: string, projectId: string, issuer: string }} issuer
 * @returns {Record<string, (token: string) => unknown>}
 */
export function contenders({ baseUrl, projectId, issuer }) {
  const options = { baseUrl, projectId };
  const client = new StackAuth(options);

  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), {
    cacheMaxAge: Infinity,
  });
  const forJose = { issuer, audience: projectId, algorithms: ['ES256'] };

  const forFastJwt = {
    key: pem,
    algorithms: ['ES256'],
    allowedIss: issuer,
    allowedAud: projectId,
    requiredClaims: ['exp', 'sub'],
  };
  const cached = { cache: 10_000, cacheTTL: 600_000 };

  const aws = JwtVerifier.create({ issuer, audience: projectId, jwksUri: `${issuer}/jwks.json` });
  aws.cacheJwks(jwks);

  const forNodeRs = { algorithms: [nodeRs.Algorithm.ES256], iss: [issuer], aud: [projectId] };

  return {
    ours: (token) => client.verifyJwt(token),
    'ours, as a function': (token) => verifyJwt(token, options),
    jose: (token) => jwtVerify(token, keys, forJose),
    'fast-jwt': createVerifier(forFastJwt),
    'fast-jwt, cached': createVerifier({ ...forFastJwt, ...cached }),
    // As a key of its cache the token itself, in place of a digest. It then hands out one object to all.
    'fast-jwt, cached by identity': createVerifier({
      ...forFastJwt,
      ...cached,
      cacheKeyBuilder: (token) => token,
    }),
    'aws-jwt-verify': (token) => aws.verifySync(token),
    '@node-rs/jsonwebtoken': (token) => nodeRs.verify(token, pem, forNodeRs),
    '@node-rs/jsonwebtoken, sync': (token) => nodeRs.verifySync(token, pem, forNodeRs),
  };
}
