// `node benchmark/alternatives.js`: what DESIGN.md says of the ways that were not taken, and where the
// crossing lies between checks in place and checks on other threads. Look into the package's own parts.

import { createRequire } from 'node:module';

import { best } from './measure.js';
import { jwks, mint } from './tokens.js';

const require = createRequire(import.meta.url);
const checks = require('../lib/checks.js');
const { Templates } = require('../lib/templates.js');
const { StackAuth } = require('..');

const projectId = 'alternatives';
const baseUrl = 'http://127.0.0.1:1';
const project = { projectId, issuer: `${baseUrl}/api/v1/projects/${projectId}` };
const keys = { jwks, uat: Date.now() };
const client = new StackAuth({ projectId, baseUrl, keys, tokenCacheBytes: 0 });
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

const payloads = tokens.map((token) => String(Buffer.from(token.split('.')[1], 'base64url')));
const header = JSON.stringify({ alg: 'ES256', kid: jwks.keys[0].kid });
const chunks = Array.from({ length: tokens.length / 16 }, (_, at) =>
  payloads.slice(at * 16, at * 16 + 16),
);
const flat = (text) => Buffer.from(text).toString('latin1');
const row = (payload) => flat(`{"payload":${payload},"protectedHeader":${header}}`);
const ways = {
  'JSON.parse, one text a token': payloads.map(row),
  'JSON.parse, one text for 16, in rows': chunks.map((of) => flat(`[${of.map(row).join(',')}]`)),
  'JSON.parse, one text for 16, in columns': chunks.map((of) =>
    flat(`[[${of.join(',')}],[${header}${',1'.repeat(of.length - 1)}]]`),
  ),
};
const parsed = ways['JSON.parse, one text a token'].map((text) => JSON.parse(text));
const templates = new Templates(Number.POSITIVE_INFINITY);
for (const [id, text] of ways['JSON.parse, one text a token'].entries()) {
  templates.add(id, text);
}
const copies = {
  'a copy of a template, by ...': (id) => {
    const { payload, protectedHeader } = parsed[id];
    return { payload: { ...payload }, protectedHeader: { ...protectedHeader } };
  },
  'a copy of a template, as it is': (id) => templates.copy(id),
};
const figures = await best([...Object.keys(ways), ...Object.keys(copies)], 100, async (way) => {
  const started = performance.now();
  let kept;
  if (ways[way]) {
    for (const text of ways[way]) {
      kept = JSON.parse(text);
    }
  } else {
    for (let id = 0; id < tokens.length; id += 1) {
      kept = copies[way](id);
    }
  }
  return kept ? ((performance.now() - started) / tokens.length) * 1_000 : Number.NaN;
});
for (const [way, figure] of Object.entries(figures)) {
  print(way, figure);
}
