import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyJwt } from '../index.js';
import { failure, times } from './support/cache-issuer.js';
import { Callers } from './support/faults/callers.js';
import { newPki, type Pki } from './support/faults/certificates.js';
import { twoAnswers } from './support/faults/faults.js';
import { MOMENTS } from './support/faults/moments.js';
import { Row } from './support/faults/row.js';
import { hasIpv6, type Transport } from './support/faults/site.js';
import { FAULTS } from './support/faults/table.js';
import { timed } from './support/lateness.js';
import { StandIn } from './support/stand-in.js';

const WHO: Record<Transport, string> = {
  http: 'a server',
  IPv6: 'a server on IPv6',
  https: 'a TLS server',
  'http/2': 'an HTTP/2 server',
  proxy: 'a proxy',
};

let pki: Pki;
const callers = new Callers();

beforeAll(async () => {
  pki = await newPki();
});

afterAll(async () => {
  await callers.end();
  await pki.remove();
});

const rows = MOMENTS.flatMap((moment) =>
  FAULTS.filter(moment.takes ?? (() => true)).map((fault) => {
    const { call, when, expects } = moment;
    const name = `${call}, ${when}: ${WHO[fault.transport]} ${fault.what}, and ${expects(fault)}`;
    return [name, moment, fault] as const;
  }),
);

test.concurrent.for(rows)('%s', async ([, moment, fault], { skip, onTestFinished }) => {
  skip(fault.transport === 'IPv6' && !hasIpv6, 'this machine has no IPv6 loopback');
  const row = await Row.stage(fault, moment.place, pki, callers);
  onTestFinished(() => row.end());
  await moment.run(row);
  await row.expectHarmless();
});

test.concurrent('a fetch that hangs is given up, however patient the caller is', async ({
  onTestFinished,
}) => {
  const issuer = await StandIn.start();
  onTestFinished(() => issuer.close());
  issuer.intercept = () => true;
  const token = await issuer.mint();
  const patient = { ...issuer.options, timeout: 25_000 };
  const [error, millis] = await timed(() => failure(verifyJwt(token, patient)));
  expect(error).toMatchObject({
    code: 'ERR_JWKS_TIMEOUT',
    message: expect.stringContaining(`; it was asked for at ${issuer.url}/`),
  });
  expect(millis).toBeLessThan(15_000);
});

test('getUser never takes an answer that nobody has asked for', async ({ onTestFinished }) => {
  const fault = { ...FAULTS[0]!, how: twoAnswers };
  const row = await Row.stage(fault, 'user', pki, callers);
  onTestFinished(() => row.end());
  const token = await row.site.issuer.mint();
  await row.strike();
  for (const user of times(20, () => () => row.user(token))) {
    row.expectGood(await user());
  }
});
