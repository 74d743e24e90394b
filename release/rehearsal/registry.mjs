// A registry on loopback: what is published to it stays in it, and all other packages come through it.

import { once } from 'node:events';
import path from 'node:path';

import { runServer } from 'verdaccio';

/** Names that must come from here, whether or not the registry behind this one has them too. */
const OURS = ['stack-auth-native', '@stack-auth-native/*'];

/**
 * @param {string} upstream
 * @param {string} folder for all that it stores
 */
export async function startRegistry(upstream, folder) {
  const everybody = { access: '$all', publish: '$all', unpublish: '$all' };
  const server = await runServer({
    configPath: path.join(folder, 'config.yaml'),
    storage: path.join(folder, 'storage'),
    uplinks: { upstream: { url: upstream, timeout: '60s', max_fails: 10 } },
    packages: {
      ...Object.fromEntries(OURS.map((name) => [name, everybody])),
      '**': { access: '$all', proxy: 'upstream' },
    },
    auth: { htpasswd: { file: path.join(folder, 'htpasswd'), max_users: -1 } },
    log: { type: 'file', path: path.join(folder, 'verdaccio.log'), level: 'warn' },
    web: { enable: false },
    max_body_size: '50mb',
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}/`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
