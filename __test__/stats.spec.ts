import { expect, test } from 'vitest';

import { StackAuth } from '../index.js';
import { startIssuer } from './support/cache-issuer.js';

const verifications = (client: StackAuth) => client.stats().verifications;

test('verifications are counted, each once, by how they went', async () => {
  const issuer = await startIssuer();
  const client = new StackAuth(issuer.options);
  expect(verifications(client)).toEqual({ remembered: 0, new: 0, refused: 0 });

  const token = await issuer.mint();
  await client.verifyJwt(token); // waits for the keys
  await client.verifyJwt(await issuer.mint({ claims: { n: 1 } })); // has them
  expect(verifications(client)).toEqual({ remembered: 0, new: 2, refused: 0 });
  await client.verifyJwt(token);
  await client.getUser(token);
  expect(verifications(client)).toEqual({ remembered: 2, new: 2, refused: 0 });

  const anonymous = await issuer.mint({ type: 'anonymous' });
  const forged = token.replace(/.{6}$/, 'AAAAAA');
  const expired = await issuer.mint({ expiresIn: -1 });
  for (const bad of ['nonsense', forged, expired, anonymous]) {
    await expect(client.verifyJwt(bad)).rejects.toMatchObject({ code: expect.any(String) });
  }
  expect(verifications(client)).toEqual({ remembered: 2, new: 2, refused: 4 });
});

test('many at once are counted too', async () => {
  const issuer = await startIssuer();
  const client = new StackAuth(issuer.options);
  await client.warmUp();
  const tokens = await Promise.all(
    Array.from({ length: 40 }, (_, n) => issuer.mint({ claims: { n } })),
  );
  const forged = tokens.map((token) => token.replace(/.{6}$/, 'AAAAAA'));
  await Promise.allSettled([...tokens, ...forged].map((token) => client.verifyJwt(token)));
  expect(verifications(client)).toEqual({ remembered: 0, new: 40, refused: 40 });
});

test('what fails for want of keys is nobody’s refusal', async () => {
  const issuer = await startIssuer();
  issuer.intercept = (_, response) => response.writeHead(500).end();
  const client = new StackAuth(issuer.options);
  await expect(client.verifyJwt(await issuer.mint())).rejects.toMatchObject({ status: 503 });
  expect(verifications(client)).toEqual({ remembered: 0, new: 0, refused: 0 });
});
