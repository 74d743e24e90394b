import type { JWK } from 'jose';
import type { VerifyJwtOptions } from '../../../index.js';
import { StandIn } from '../stand-in.js';
import { type Content, newSigner, type Signer, serve, sign, signersOf } from '../tokens.js';

export const NOW = 1_800_000_000;
export const currentDate = new Date(NOW * 1_000 + 999);
export const MAX_TOKEN = 16 * 1_024;

/** An issuer and its keys, which both sides are asked with. */
export interface World {
  standIn: StandIn;
  /** Has the first of the keys. */
  signer: Signer;
  keys: JWK[];
  options: VerifyJwtOptions;
}

/** The issuers that mutations are of, and tokens of the first. */
export interface Worlds {
  /** With the two keys that Stack Auth publishes. */
  published: World;
  /** That one, one with a single key, and one with two keys of one kid. */
  ordinary: World[];
  /** With kids that are hard to tell apart once they are UTF-8. */
  surrogates: World;
  /** Three good tokens, then an expired one and those of other user types. */
  pool: string[];
}

export type Mutation = [what: string, world: World, token: string];

/** With new keys of these kids, in place of the two of Stack Auth's own. */
async function open(name: string, kids?: string[]): Promise<World> {
  const standIn = await StandIn.start();
  // Ports come again, so only its project keeps a stand-in's key cache apart.
  standIn.projectId = `differential-spec-${name}`;
  const signers = kids ? kids.map(newSigner) : await signersOf(standIn);
  const keys = signers.map(({ jwk }) => jwk);
  if (kids) {
    serve(standIn, keys);
  }
  const { projectId, url } = standIn;
  return { standIn, signer: signers[0]!, keys, options: { projectId, baseUrl: url, currentDate } };
}

export async function openWorlds(): Promise<Worlds> {
  const published = await open('published');
  const ordinary = [
    published,
    await open('one-key', ['only']),
    await open('two-keys-one-kid', ['twin', 'twin', 'other']),
  ];
  const surrogates = await open('surrogates', ['\ufffd\ufffd\ufffd', '\udbff']);

  const { standIn } = published;
  const [, second] = await signersOf(standIn);
  const claims = claimsOf(published);
  const pool = [
    tokenOf(published),
    sign({ alg: 'ES256', kid: second!.jwk.kid }, claims, second!),
    tokenOf(published, { ...headerOf(published), typ: 'JWT' }, { ...claims, jti: 'xx' }),
    tokenOf(published, headerOf(published), { ...claims, exp: NOW - 1 }),
    await standIn.mint({ type: 'restricted' }),
    await standIn.mint({ type: 'anonymous' }),
    await standIn.mint({ projectId: 'another-project' }),
  ];
  return { published, ordinary, surrogates, pool };
}

export function issuerOf({ standIn }: World, collection = 'projects') {
  return `${standIn.url}/api/v1/${collection}/${standIn.projectId}`;
}

export function claimsOf(world: World) {
  return {
    sub: '5c2f6e0a-3d1b-4b7e-9a8c-0f1e2d3c4b5a',
    project_id: world.standIn.projectId,
    email: 'ada@example.com',
    is_anonymous: false,
    is_restricted: false,
    iss: issuerOf(world),
    iat: NOW - 60,
    aud: world.standIn.projectId,
    exp: NOW + 540,
  };
}

export function headerOf({ signer }: World) {
  return { alg: 'ES256', kid: signer.jwk.kid };
}

export function tokenOf(world: World, header: Content = headerOf(world), claims?: Content) {
  return sign(header, claims ?? claimsOf(world), world.signer);
}

export function ofOtherUserTypes(world: World) {
  const { projectId } = world.standIn;
  return [
    { iss: issuerOf(world, 'projects-restricted-users'), aud: `${projectId}:restricted` },
    { iss: issuerOf(world, 'projects-anonymous-users'), aud: `${projectId}:anon` },
  ];
}
