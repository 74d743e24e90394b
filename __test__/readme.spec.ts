import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { StandIn, userOf } from './support/stand-in.js';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '..');
const directory = path.join(root, '.readme');
const readme = await readFile(path.join(root, 'README.md'), 'utf8');
const snippets = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code as string);

let standIn: StandIn;
let token: string;

beforeAll(async () => {
  standIn = await StandIn.start();
  token = await standIn.mint();
  standIn.users.set(userOf().id, userOf());
  await mkdir(directory, { recursive: true });
  await Promise.all(
    snippets.map((code, index) => writeFile(path.join(directory, `${index}.mts`), code)),
  );
});
afterAll(async () => {
  await standIn.close();
  await rm(directory, { recursive: true, force: true });
});

/** Runs the snippet that has `marker`, against the stand-in, with more code after it. */
async function runSnippet(marker: string, more: string) {
  const [code, ...others] = snippets.filter((snippet) => snippet.includes(marker));
  expect(others).toEqual([]);
  const file = path.join(directory, `${marker.replace(/\W+/g, '-')}.mts`);
  const local = code?.replaceAll('https://api.stack-auth.com', standIn.url);
  await writeFile(file, `${local}\nconst accessToken = process.env.TOKEN as string;\n${more}`);
  const { stdout } = await run(process.execPath, ['--import', 'tsx', file], {
    cwd: root,
    env: {
      ...process.env,
      HEXCLAVE_PROJECT_ID: standIn.projectId,
      HEXCLAVE_SECRET_SERVER_KEY: standIn.secretServerKey,
      HEXCLAVE_API_URL: standIn.url,
      KEYS_FILE: path.join(directory, 'keys.json'),
      PORT: '0',
      TOKEN: token,
    },
  });
  return stdout.trim().split('\n').at(-1);
}

describe('the README', () => {
  test('has less than 300 lines', () => {
    expect(readme.split('\n').length).toBeLessThan(300);
  });

  test('has snippets that compile', async () => {
    const { stdout } = await run(
      process.execPath,
      [
        path.join(root, 'node_modules/typescript/bin/tsc'),
        '--ignoreConfig',
        ...['--noEmit', '--strict', '--skipLibCheck', '--types', 'node'],
        ...['--target', 'es2022', '--module', 'nodenext'],
        ...snippets.map((_, index) => path.join(directory, `${index}.mts`)),
      ],
      { cwd: root },
    ).catch((failure) => failure);
    expect(stdout).toBe('');
    expect(snippets).toHaveLength(6);
  });

  test.each(["from 'jose'", 'import { getUser, verifyJwt }'])(
    'tells whose token it is, before and after: %s',
    async (marker) => {
      const ask = 'console.log(await userIdOf(accessToken), (await userOf(accessToken)).id);';
      expect(await runSnippet(marker, ask)).toBe(`${userOf().id} ${userOf().id}`);
    },
  );

  test('serves Express as the example does', async () => {
    const example = await readFile(path.join(root, 'examples/express.mts'), 'utf8');
    expect(snippets).toContain(example);
    const ask = `
      const { port } = server.address() as import('node:net').AddressInfo;
      const get = async (path: string, token: string) => {
        const headers = { 'x-stack-access-token': token };
        const response = await fetch('http://127.0.0.1:' + port + path, { headers });
        const body = await response.json();
        return [response.status, body.id ?? body.error];
      };
      const answers = [await get('/api/me', accessToken), await get('/api/profile', accessToken), await get('/api/me', '')];
      server.close();
      console.log(JSON.stringify(answers));`;
    expect(JSON.parse((await runSnippet('authErrorHandler', ask)) as string)).toEqual([
      [200, userOf().id],
      [200, userOf().id],
      [401, 'ERR_TOKEN_MISSING'],
    ]);
  });

  test('answers with the status of an error', async () => {
    const ask = "console.log(await statusOf(accessToken), await statusOf('nonsense'));";
    expect(await runSnippet('statusOf', ask)).toBe('200 401');
  });

  test('starts without a request from keys that were kept', async () => {
    const ask =
      'await stackAuth.verifyJwt(accessToken); console.log(stackAuth.stats().keys.fetches);';
    expect(await runSnippet('KEYS_FILE', ask)).toBe('1');
    expect(await runSnippet('KEYS_FILE', ask)).toBe('0');
  });

  test('names every member of the test kit', async () => {
    const contract = await readFile(path.join(root, 'testing.d.ts'), 'utf8');
    const kit = contract.slice(
      contract.indexOf('interface StackAuthStandIn'),
      contract.indexOf('interface SignInOptions'),
    );
    const members = [...kit.matchAll(/^ {2}(?:readonly |get )?(\w+)(?:\(.*\))?: /gm)];
    expect(members.length).toBeGreaterThan(9);
    const section = readme.slice(readme.indexOf('## In your specs'), readme.indexOf('## Building'));
    for (const [, name] of members) {
      expect(section).toMatch(new RegExp(`\\b${name}\\b`));
    }
  });

  test('names every option and every code of the contract, and no others', async () => {
    const contract = await readFile(path.join(root, 'index.d.ts'), 'utf8');
    const codes = new Set([...contract.matchAll(/[|=] '(ERR_\w+)'/g)].map(([, code]) => code));
    const table = readme.slice(readme.indexOf('### Errors'), readme.indexOf('## How the key'));
    expect(new Set(table.match(/ERR_\w+/g))).toEqual(codes);

    const interfaces = contract.slice(
      contract.indexOf('interface VerifyJwtOptions'),
      contract.indexOf('interface StackAuthOptions'),
    );
    const options = [...interfaces.matchAll(/^ {2}(\w+)\?: /gm)].map(([, name]) => name);
    const rows = readme.slice(readme.indexOf('### Options'), readme.indexOf('### Errors'));
    const named = [...rows.matchAll(/^\| `(\w+)` *\|/gm)].map(([, name]) => name);
    expect(named.sort()).toEqual(options.sort());
  });

  test('names scripts that there are', async () => {
    const { scripts } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
    for (const [, script] of readme.matchAll(/npm run (\w+)/g)) {
      expect(scripts).toHaveProperty(script as string);
    }
  });
});
