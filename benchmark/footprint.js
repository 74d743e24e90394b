// Load time and resident memory, each in fresh processes.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { median } from './measure.js';
import { mint } from './tokens.js';

const run = promisify(execFile);
const file = fileURLToPath(new URL('footprint-process.cjs', import.meta.url));
const ROUNDS = 15;

/** @param {Awaited<ReturnType<typeof import('./issuer.js').startIssuer>>} issuer */
export async function footprint(issuer) {
  const seen = { nothing: [], ours: [], jose: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const who of Object.keys(seen)) {
      const { baseUrl, projectId } = issuer;
      const argv = [file, who, mint(issuer), baseUrl, projectId, issuer.issuer];
      const { stdout } = await run(process.execPath, ['--no-warnings', ...argv]);
      seen[who].push(JSON.parse(stdout));
    }
  }
  const medianOf = (who, figure) => median(seen[who].map((process) => process[figure]));
  const above = (who) => medianOf(who, 'resident') - medianOf('nothing', 'resident');
  return {
    load: { ours: medianOf('ours', 'load'), jose: medianOf('jose', 'load') },
    resident: { ours: above('ours'), jose: above('jose') },
  };
}
