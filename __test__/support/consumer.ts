import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { makePackages } from '../../release/packages.mjs';

export const run = promisify(execFile);
export const root = path.resolve(import.meta.dirname, '../..');

/**
 * A consumer's project, out of reach of this one's `node_modules`, with the packages in its own as they
 * are published for this platform.
 */
export async function newConsumer() {
  const project = await mkdtemp(path.join(tmpdir(), 'consumer-'));
  const packages = await mkdtemp(path.join(tmpdir(), 'packages-'));
  const { main, platforms } = await makePackages({ binaries: root, to: packages, partial: true });
  for (const folder of platforms) {
    await install(await pack(folder, packages), project);
  }
  const packed = await pack(main, packages);
  await install(packed, project);
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
    outputOf,
    remove: () =>
      Promise.all([project, packages].map((dir) => rm(dir, { recursive: true, force: true }))),
  };
}

interface Packed {
  name: string;
  filename: string;
  files: { path: string }[];
  size: number;
}

async function pack(folder: string, to: string): Promise<Packed & { tarball: string }> {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', to], {
    cwd: folder,
  });
  const [packed] = Object.values<Packed>(JSON.parse(stdout));
  return { ...packed!, tarball: path.join(to, packed!.filename) };
}

async function install({ name, tarball }: { name: string; tarball: string }, project: string) {
  const target = path.join(project, 'node_modules', name);
  await mkdir(target, { recursive: true });
  await run('tar', ['xzf', tarball, '-C', target, '--strip-components=1']);
}
