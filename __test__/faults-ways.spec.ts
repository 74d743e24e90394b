import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { USER_ID } from './support/cache-issuer.js';
import { Caller } from './support/faults/callers.js';
import { newPki, type Pki } from './support/faults/certificates.js';
import { hasIpv6, Site } from './support/faults/site.js';
import { WAYS } from './support/faults/ways.js';

let pki: Pki;

beforeAll(async () => {
  pki = await newPki();
});

afterAll(() => pki.remove());

describe('the way to an issuer by', () => {
  test.for(WAYS.map((way) => [way.what, way] as const))('%s', async ([, way], { skip }) => {
    skip(way.on?.includes(process.platform) === false, 'this system does otherwise');
    skip(way.transport === 'IPv6' && !hasIpv6, 'this machine has no IPv6 loopback');
    const site = await Site.open(way.transport, pki, way.identity);
    const proxy = way.transport === 'proxy' ? site : await Site.open('proxy', pki);
    if (way.host) {
      site.issuer.url = `https://${way.host(site)}`;
    }
    const caller = new Caller(way.environment?.(site, proxy, pki) ?? site.environment);
    onTestFinished(async () => {
      await Promise.all([site.close(), proxy.close()]);
      await caller.end(way.warning ? expect.stringContaining(way.warning) : '');
    });

    const token = await site.issuer.mint();
    for (const [index, call] of (['verifyJwt', 'getUser'] as const).entries()) {
      const [outcome] = await caller.calls(1, call, token, site.issuer.options);
      if (way.fails) {
        expect(outcome).toMatchObject({
          error: { code: way.fails[index], status: 503 },
          why: expect.stringMatching(way.fails[2]),
        });
      } else {
        expect(outcome?.value, outcome?.why).toBe(USER_ID);
      }
    }
    const tunnels = new Set(proxy.tunnels.map(({ url }) => url));
    expect([...tunnels]).toEqual(way.tunnel ? [way.tunnel] : []);
  });
});
