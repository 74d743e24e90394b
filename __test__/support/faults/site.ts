import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { createSecureServer as createHttp2 } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Request, type Response, StandIn, userOf } from '../stand-in.js';
import type { Environment } from './callers.js';
import type { Identity, Pki } from './certificates.js';

/** How a site is reached. `https` over a `proxy` is the only one that is not asked directly. */
export type Transport = 'http' | 'IPv6' | 'https' | 'http/2' | 'proxy';
export type Place = 'keys' | 'user';

/** What a site does in place of its duty: about one place, or at a door that is before all places. */
export type Misbehaviour =
  | { at: 'port' }
  | { at: 'connection' | 'tunnel'; act: (socket: Socket, site: Site) => unknown }
  /** Connections that are open go dead, and so do new ones. */
  | { at: 'wire' }
  | { at: 'request'; act: (request: Request, response: Response, site: Site) => unknown };

const PATHS = { keys: '/jwks.json', user: '/users/me' };

export const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((address) => address?.address === '::1');

/** Stack Auth on loopback behind a transport, until a fault strikes. */
export class Site {
  readonly issuer = new StandIn();
  /** How often the fault was met, by a connection or a request. */
  attempts = 0;
  /** Bytes that the other side took of an answer without end. */
  taken = 0;
  /** What the proxy was asked for. */
  readonly tunnels: Request[] = [];
  /** Connections where none may come. */
  decoyed = 0;
  /** Whether connections stay open, so that a fault can be met on one that is. */
  keepsAlive = true;

  #fault: Misbehaviour | undefined;
  #place: Place = 'keys';
  #port = 0;
  #decoy: Server | undefined;
  #behind: { close(): unknown } | undefined;
  readonly #open = new Set<Socket>();
  readonly #front = createServer((socket) => this.#connected(socket));
  readonly #serve: (socket: Socket) => unknown;

  private constructor(
    readonly transport: Transport,
    readonly pki: Pki,
    identity: keyof Pki['identities'],
  ) {
    this.issuer.users.set(userOf().id, userOf());
    this.#serve = this.#server(pki.identities[identity]);
  }

  static async open(transport: Transport, pki: Pki, identity: keyof Pki['identities'] = 'good') {
    const site = new Site(transport, pki, identity);
    await site.#listen();
    site.issuer.url = site.#url;
    return site;
  }

  get port() {
    return this.#port;
  }

  /** What a caller needs to reach it. */
  get environment(): Environment {
    const { transport, pki } = this;
    return {
      ...(['https', 'http/2', 'proxy'].includes(transport) && {
        NODE_EXTRA_CA_CERTS: pki.file('authority'),
      }),
      ...(transport === 'proxy' && { HTTPS_PROXY: `http://127.0.0.1:${this.#port}` }),
    };
  }

  get #url() {
    return {
      http: `http://127.0.0.1:${this.#port}`,
      IPv6: `http://[::1]:${this.#port}`,
      https: `https://127.0.0.1:${this.#port}`,
      'http/2': `https://127.0.0.1:${this.#port}`,
      proxy: 'https://issuer.test',
    }[this.transport];
  }

  async strike(fault: Misbehaviour, place: Place) {
    this.#fault = fault;
    this.#place = place;
    if (fault.at === 'port') {
      this.#front.close();
    }
    if (fault.at === 'wire') {
      for (const socket of this.#open) {
        socket.unpipe();
      }
    }
  }

  /** All that is new goes well again; what was open stays as it is. */
  async heal() {
    const wasClosed = this.#fault?.at === 'port';
    this.#fault = undefined;
    if (wasClosed) {
      await this.#listen();
    }
  }

  async close() {
    for (const socket of this.#open) {
      socket.destroy();
    }
    this.#front.close();
    this.#decoy?.close();
    this.#behind?.close();
  }

  /** An address where nobody may come. */
  async decoy() {
    this.#decoy ??= createServer((socket) => {
      this.decoyed += 1;
      socket.destroy();
    });
    if (!this.#decoy.listening) {
      this.#decoy.listen(0, '127.0.0.1');
      await once(this.#decoy, 'listening');
    }
    return `127.0.0.1:${(this.#decoy.address() as AddressInfo).port}`;
  }

  async #listen() {
    this.#front.listen(this.#port, this.transport === 'IPv6' ? '::1' : '127.0.0.1');
    await once(this.#front, 'listening');
    this.#port = (this.#front.address() as AddressInfo).port;
  }

  #connected(socket: Socket) {
    this.#open.add(socket);
    socket.on('close', () => this.#open.delete(socket));
    socket.on('error', () => {});
    if (this.#fault?.at === 'connection' || this.#fault?.at === 'wire') {
      this.attempts += 1;
      return this.#fault.at === 'connection' && this.#fault.act(socket, this);
    }
    this.#serve(socket);
  }

  #server(identity: Identity): (socket: Socket) => unknown {
    const answer = this.#answer;
    switch (this.transport) {
      case 'http':
      case 'IPv6': {
        const server = createHttp(answer);
        return (socket) => server.emit('connection', socket);
      }
      case 'https': {
        const server = createHttps(identity, answer);
        return (socket) => server.emit('connection', socket);
      }
      case 'http/2': {
        // Its own connection behind ours, for only what is between the two can go dead.
        const server = createHttp2(identity, answer as any).listen(0, '127.0.0.1');
        this.#behind = server;
        return (socket) => this.#relay(socket, (server.address() as AddressInfo).port);
      }
      case 'proxy': {
        const server = createHttps(identity, answer);
        const proxy = createHttp().on('connect', (request, socket) => {
          this.tunnels.push(request);
          if (this.#fault?.at === 'tunnel') {
            this.attempts += 1;
            return this.#fault.act(socket as Socket, this);
          }
          socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
          server.emit('connection', socket);
        });
        return (socket) => proxy.emit('connection', socket);
      }
    }
  }

  #relay(socket: Socket, port: number) {
    const behind = connect(port, '127.0.0.1');
    behind.on('error', () => socket.destroy());
    socket.on('close', () => behind.destroy());
    behind.on('close', () => socket.destroy());
    socket.pipe(behind);
    behind.pipe(socket);
  }

  #answer = async (request: Request, response: Response) => {
    const fault = this.#fault;
    if (fault?.at === 'request' && request.url?.includes(PATHS[this.#place])) {
      this.attempts += 1;
      // So that those who come together do meet the same.
      await sleep(30);
      return fault.act(request, response, this);
    }
    if (!this.keepsAlive) {
      response.setHeader('connection', 'close');
    }
    return this.issuer.answer(request, response);
  };
}
