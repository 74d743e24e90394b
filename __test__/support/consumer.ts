import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

export const run = promisify(execFile);
export const root = path.resolve(import.meta.dirname, '../..');

/** A consumer's project, out of reach of this one's `node_modules`, with the packed tarball in its own. */
export async function newConsumer() {
  const project = await mkdtemp(path.join(tmpdir(), 'consumer-'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', project], {
    cwd: root,
  });
  const packed: string[] = JSON.parse(stdout)[0].files.map((file: { path: string }) => file.path);
  const target = path.join(project, 'node_modules/stack-auth-native');
  await mkdir(target, { recursive: true });
  const name = (await readdir(project)).find((file) => file.endsWith('.tgz')) as string;
  const tarball = path.join(project, name);
  await run('tar', ['xzf', tarball, '-C', target, '--strip-components=1']);
  for (const types of ['@types/node', 'undici-types']) {
    const [from, to] = [root, project].map((dir) => path.join(dir, 'node_modules', types));
    await cp(from as string, to as string, { recursive: true });
  }
  /** All that a Node process in the project prints, whether it fails or not. */
  async function outputOf(command: string[]): Promise<string> {
    // What this runner tells its children would have them report to it.
    const { NODE_OPTIONS, NODE_TEST_CONTEXT, VITEST, ...env } = process.env;
    const { stdout, stderr } = await run(process.execPath, command, {
      cwd: project,
      env: { ...env, FORCE_COLOR: '0', NO_COLOR: '1' },
      timeout: 60_000,
    }).catch((failure) => failure);
    return stdout + stderr;
  }
  return {
    project,
    packed,
    tarball,
    outputOf,
    remove: () => rm(project, { recursive: true, force: true }),
  };
}
