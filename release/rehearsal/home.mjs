// A new user's home, for the package managers: none of this user's settings and caches, so that each run
// downloads what it installs, and only the registry on loopback.

import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** @typedef {Awaited<ReturnType<typeof newHome>>} Home */

const SETTINGS = /^(npm|pnpm|yarn|xdg|corepack)_|^(node_options|init_cwd)$/i;

/**
 * @param {string} folder
 * @param {string} registry
 */
export async function newHome(folder, registry) {
  await mkdir(folder);
  const { host } = new URL(registry);
  const settings = {
    registry,
    // npm publishes only where it has a token for, whether or not the registry asks for one.
    [`//${host}/:_authToken`]: 'anonymous',
    audit: false,
    fund: false,
    'update-notifier': false,
  };
  const npmrc = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(path.join(folder, '.npmrc'), npmrc.join(''));
  await writeFile(path.join(folder, '.yarnrc.yml'), YARNRC(registry));
  const inherited = Object.entries(process.env).filter(([name]) => !SETTINGS.test(name));
  const env = {
    ...Object.fromEntries(inherited),
    PATH: [path.dirname(process.execPath), process.env.PATH].join(path.delimiter),
    HOME: folder,
    NO_PROXY: '127.0.0.1',
    NO_COLOR: '1',
  };
  return {
    folder,
    /**
     * What a command printed; throws all of it, if it failed.
     *
     * @param {string[]} command
     * @param {string} cwd
     */
    async run([file = '', ...args], cwd) {
      try {
        const { stdout } = await run(file, args, { cwd, env, timeout: 300_000 });
        return stdout;
      } catch (failure) {
        const { stdout, stderr } = /** @type {{ stdout: string, stderr: string }} */ (failure);
        throw new Error(`${[file, ...args].join(' ')}\n${stdout}${stderr}`, { cause: failure });
      }
    },
  };
}

/** @param {string} registry */
const YARNRC = (registry) => `
npmRegistryServer: ${registry}
unsafeHttpWhitelist: ['127.0.0.1']
enableTelemetry: false
enableImmutableInstalls: false
# What is published here is younger.
npmMinimalAgeGate: 0
`;
