// The programs in the documentation are compiled and run; of the contract, the examples are compiled.

import { execFile } from 'node:child_process';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { root } from './support/consumer.ts';
import { readExamples } from './support/examples.ts';
import { blocksOf, type Program, programsOf, readPages, source } from './support/pages.ts';
import { PROGRAMS } from './support/programs.ts';
import { StandIn, userOf } from './support/stand-in.js';

const run = promisify(execFile);
const directory = path.join(root, '.docs');
const pages = await readPages();
const programs = pages.flatMap(programsOf);

/** For bundlers. */
const ENTRY = `
import { verifyJwt } from 'stack-auth-native';
import { requireUser } from 'stack-auth-native/express';
verifyJwt('', { projectId: 'p' }).catch(({ code }) => console.log(code, typeof requireUser));`;

let standIn: StandIn;
let token: string;
/** What the compiler says. */
let complaints: string;

beforeAll(async () => {
  standIn = await StandIn.start();
  token = await standIn.mint();
  standIn.users.set(userOf().id, userOf());
  await newProject();
  complaints = await compile();
}, 60_000);
afterAll(async () => {
  await standIn.close();
  await rm(directory, { recursive: true, force: true });
});

/** As the readers have one, with each program as it is, and as it is to be run. */
async function newProject() {
  const write = (file: string, content: string) => writeFile(path.join(directory, file), content);
  await rm(directory, { recursive: true, force: true });
  await mkdir(path.join(directory, 'node_modules'), { recursive: true });
  await symlink(root, path.join(directory, 'node_modules/stack-auth-native'), 'junction');
  await write('package.json', '{ "type": "module" }');
  await write('server.ts', await source('examples/express.mts'));
  await write('entry.js', ENTRY);
  for (const [index, program] of programs.entries()) {
    const { code, extension } = program;
    await write(`program-${index}.${extension}`, code);
    const local = code.replaceAll('https://api.stack-auth.com', standIn.url);
    await write(`run-${index}.${extension}`, `${local}\n${scenarioOf(program)?.after ?? ''}`);
  }
  for (const [index, example] of (await readExamples()).entries()) {
    await write(`example-${index}.ts`, example);
  }
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    target: 'es2022',
    module: 'nodenext',
    types: ['node'],
    allowJs: true,
    checkJs: true,
    skipLibCheck: true,
    rootDir: '.',
    outDir: 'out',
  };
  const include = ['program-*', 'run-*', 'example-*'];
  await write('tsconfig.json', JSON.stringify({ compilerOptions, include }));
}

async function compile() {
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  const { stdout } = await run(process.execPath, [tsc, '--project', directory]).catch(
    (failure) => failure,
  );
  return stdout;
}

function scenarioOf({ page, code }: Program) {
  return PROGRAMS.find((scenario) => scenario.page === page && code.includes(scenario.has));
}

/** What a program prints, against the stand-in. */
async function outputOf(program: Program) {
  const file = path.join(directory, `out/run-${programs.indexOf(program)}.js`);
  const { stdout } = await run(process.execPath, ['--test-reporter=tap', file], {
    cwd: directory,
    env: {
      ...process.env,
      HEXCLAVE_PROJECT_ID: standIn.projectId,
      HEXCLAVE_SECRET_SERVER_KEY: standIn.secretServerKey,
      HEXCLAVE_API_URL: standIn.url,
      KEYS_FILE: path.join(directory, 'keys.json'),
      PORT: '0',
      TOKEN: token,
      USER: userOf().id,
      ENTRY: path.join(directory, 'entry.js'),
      OUTFILE: path.join(directory, 'bundle.cjs'),
      JWKS: JSON.stringify(await standIn.keySet()),
    },
  });
  return stdout.split('\n').filter((line) => line !== '');
}

test('all compile, strictly', () => {
  expect(complaints).toBe('');
});

test.each(PROGRAMS.map((scenario) => [`${scenario.page}: ${scenario.has}`, scenario] as const))(
  '%s',
  async (_, scenario) => {
    const [program, ...others] = programs.filter((other) => scenarioOf(other) === scenario);
    expect(others).toEqual([]);
    expect(program).toBeDefined();
    if (scenario.prints) {
      expect(await outputOf(program as Program)).toEqual(scenario.prints);
    }
  },
);

test('each is run', () => {
  const others = programs.filter((program) => !scenarioOf(program));
  expect(others, 'to be in __test__/support/programs.ts').toEqual([]);
});

test('a block that is not run says so', () => {
  const languages = ['ts', 'js', 'diff', 'mermaid'];
  const silent = pages.flatMap((page) =>
    blocksOf(page).filter(
      ({ words }) => !languages.includes(words[0] ?? '') && !words.includes('no-run'),
    ),
  );
  expect(silent).toEqual([]);
});
