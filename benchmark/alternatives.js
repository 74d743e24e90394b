// `node benchmark/alternatives.js`: what DESIGN.md says of the ways that were not taken, and where the
// crossing lies between checks in place and checks on other threads. Look into the package's own parts.

import { createRequire } from 'node:module';

import { best } from './measure.js';
import { jwks, mint, payloadOf } from './tokens.js';

const require = createRequire(import.meta.url);
const checks = require('../lib/checks.js');
const { Templates } = require('../lib/templates.js');
const { verifiedOf } = require('../lib/verified.js');
const { StackAuth } = require('..');

const project = { projectId: 'alternatives', baseUrl: 'http://127.0.0.1:1' };
const keys = { jwks, uat: Date.now() };
const client = new StackAuth({ ...project, keys, tokenCacheBytes: 0 });
const print = (what, figure) =>
  console.log(`${what.padEnd(52)}${figure.toFixed(2).padStart(8)} µs`);

let inPlace = true;
let tickets = 0;
checks.ticket = () => (inPlace ? 0 : ++tickets);
const tokens = Array.from({ length: 512 }, () => mint(project));
for (const together of [1, 2, 3, 4, 8, 16]) {
  const figures = await best(['in place', 'on threads'], 20, async (where) => {
    inPlace = where === 'in place';
    const started = performance.now();
    for (let at = 0; at < tokens.length; at += together) {
      await Promise.all(tokens.slice(at, at + together).map((token) => client.verifyJwt(token)));
    }
    return ((performance.now() - started) / (tokens.length / together)) * 1_000;
  });
  for (const [where, figure] of Object.entries(figures)) {
    print(`${together} at the same time, all done, ${where}`, figure);
  }
}

/** In one piece, as it comes from the native side. */
const flat = (text) => Buffer.from(text).toString('latin1');
const claims = tokens.map(payloadOf);
const header = { alg: 'ES256', kid: jwks.keys[0].kid };
const objects = claims.map((payload) => flat(JSON.stringify({ payload, protectedHeader: header })));
const values = claims.map((payload) =>
  flat(JSON.stringify([...Object.values(header), ...Object.values(payload)])),
);
const batches = Array.from({ length: Math.ceil(values.length / 24) }, (_, at) =>
  flat(`[${values.slice(at * 24, at * 24 + 24).join(',')}]`),
);
const parsed = objects.map((text) => JSON.parse(text));
const templates = new Templates(Number.POSITIVE_INFINITY);
for (const [id, text] of objects.entries()) {
  templates.add(id, text);
}
/** What a way makes of each of its items. */
const ways = {
  'JSON.parse, with names': [objects, (text) => JSON.parse(text)],
  'JSON.parse, values alone, as it is': [values, (text) => verifiedOf(JSON.parse(text))],
  'the same, one text for 24, as it is': [batches, (text) => JSON.parse(text).map(verifiedOf)],
  'a copy of a template, by ...': [
    parsed,
    ({ payload, protectedHeader }) => ({
      payload: { ...payload },
      protectedHeader: { ...protectedHeader },
    }),
  ],
  'a copy of a template, as it is': [[...parsed.keys()], (id) => templates.copy(id)],
};
const figures = await best(Object.keys(ways), 100, async (way) => {
  const [items, make] = ways[way];
  const started = performance.now();
  let kept;
  for (const item of items) {
    kept = make(item);
  }
  return kept ? ((performance.now() - started) / tokens.length) * 1_000 : Number.NaN;
});
for (const [way, figure] of Object.entries(figures)) {
  print(way, figure);
}
