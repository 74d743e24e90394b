import type { StackAuthErrorCode } from '../../../index.js';
import type { Environment } from './callers.js';
import type { Pki } from './certificates.js';
import type { Site, Transport } from './site.js';

/** What a caller's environment says about the way to a site. */
export interface Way {
  what: string;
  transport: Transport;
  identity?: keyof Pki['identities'];
  /** Where it is one, if not everywhere. */
  on?: NodeJS.Platform[];
  /** The host and port that it is asked by, if they are not its own. */
  host?: (site: Site) => string;
  environment?: (site: Site, proxy: Site, pki: Pki) => Environment;
  fails?: [keys: StackAuthErrorCode, user: StackAuthErrorCode, why: RegExp];
  /** Whom the proxy is asked for. */
  tunnel?: string;
  /** What Node prints. */
  warning?: string;
}

const UNREACHABLE = ['ERR_JWKS_FETCH_FAILED', 'ERR_API_UNAVAILABLE'] as const;
const DISTRUSTED: Way['fails'] = [...UNREACHABLE, /certificate/i];

/** A machine that has no certificates of its own, as slim containers are. */
const BARE = { SSL_CERT_FILE: '/nonexistent', SSL_CERT_DIR: '/nonexistent' };
const proxyOf = (proxy: Site) => `http://127.0.0.1:${proxy.port}`;
const trusting = (pki: Pki) => ({ NODE_EXTRA_CA_CERTS: pki.file('authority') });

export const WAYS: Way[] = [
  {
    what: 'an authority that nobody has named',
    transport: 'https',
    environment: () => ({}),
    fails: DISTRUSTED,
  },
  { what: 'an authority that NODE_EXTRA_CA_CERTS names', transport: 'https' },
  {
    what: 'an authority that SSL_CERT_FILE names',
    on: ['linux'],
    transport: 'https',
    environment: (_site, _proxy, pki) => ({ SSL_CERT_FILE: pki.file('authority') }),
  },
  {
    what: 'a certificate that NODE_EXTRA_CA_CERTS names itself',
    transport: 'https',
    identity: 'selfSigned',
    environment: (_site, _proxy, pki) => ({ NODE_EXTRA_CA_CERTS: pki.file('selfSigned') }),
  },
  {
    what: 'a certificate that SSL_CERT_FILE names itself',
    on: ['linux'],
    transport: 'https',
    identity: 'selfSigned',
    environment: (_site, _proxy, pki) => ({ SSL_CERT_FILE: pki.file('selfSigned') }),
  },
  {
    what: 'an authority that uses its own certificate, as `openssl req -x509` makes them',
    on: ['linux'],
    transport: 'https',
    identity: 'selfSignedAuthority',
    environment: (_site, _proxy, pki) => ({ NODE_EXTRA_CA_CERTS: pki.file('selfSignedAuthority') }),
  },
  {
    what: 'the same, named by SSL_CERT_FILE',
    on: ['linux'],
    transport: 'https',
    identity: 'selfSignedAuthority',
    environment: (_site, _proxy, pki) => ({ SSL_CERT_FILE: pki.file('selfSignedAuthority') }),
  },
  {
    what: 'the same, named by nobody',
    transport: 'https',
    identity: 'selfSignedAuthority',
    fails: process.platform === 'linux' ? [...UNREACHABLE, /CaUsedAsEndEntity/] : DISTRUSTED,
  },
  {
    what: 'the same, for another name',
    transport: 'https',
    identity: 'wrongNameAuthority',
    environment: (_site, _proxy, pki) => ({ NODE_EXTRA_CA_CERTS: pki.file('wrongNameAuthority') }),
    fails: [...UNREACHABLE, /not ?valid ?for ?name/i],
  },
  {
    what: 'the same, expired',
    transport: 'https',
    identity: 'expiredAuthority',
    environment: (_site, _proxy, pki) => ({ NODE_EXTRA_CA_CERTS: pki.file('expiredAuthority') }),
    fails: [...UNREACHABLE, /expired/i],
  },
  {
    what: 'no certificates on the machine, and one that NODE_EXTRA_CA_CERTS names',
    transport: 'https',
    environment: (_site, _proxy, pki) => ({ ...BARE, ...trusting(pki) }),
  },
  { what: 'no certificates on the machine', transport: 'http', environment: () => BARE },
  {
    what: 'a NODE_EXTRA_CA_CERTS that is not there',
    transport: 'http',
    environment: () => ({ NODE_EXTRA_CA_CERTS: '/nonexistent' }),
    warning: 'Ignoring extra certs',
  },
  {
    what: 'a NODE_EXTRA_CA_CERTS with nonsense in it',
    transport: 'http',
    environment: (_site, _proxy, pki) => ({ NODE_EXTRA_CA_CERTS: pki.nonsense }),
    warning: 'Ignoring extra certs',
  },

  { what: 'a proxy that HTTPS_PROXY names', transport: 'proxy', tunnel: 'issuer.test:443' },
  {
    what: 'a proxy that https_proxy names',
    transport: 'proxy',
    environment: (_site, proxy, pki) => ({ ...trusting(pki), https_proxy: proxyOf(proxy) }),
    tunnel: 'issuer.test:443',
  },
  {
    what: 'a proxy for any address',
    transport: 'proxy',
    host: () => '0.0.0.0:8443',
    tunnel: '0.0.0.0:8443',
  },
  {
    what: 'an address that NO_PROXY excepts from the proxy',
    on: ['linux', 'darwin'], // Windows connects to no 0.0.0.0.
    transport: 'https',
    host: (site) => `0.0.0.0:${site.port}`,
    environment: (_site, proxy, pki) => ({
      ...trusting(pki),
      HTTPS_PROXY: proxyOf(proxy),
      NO_PROXY: 'example.com,0.0.0.0',
    }),
  },
  {
    what: 'loopback, whatever HTTPS_PROXY says',
    transport: 'https',
    environment: (_site, proxy, pki) => ({ ...trusting(pki), HTTPS_PROXY: proxyOf(proxy) }),
  },
  { what: 'IPv6', transport: 'IPv6' },
  { what: 'HTTP/2', transport: 'http/2' },
  {
    what: 'a name that nobody knows',
    transport: 'https',
    // Longer than any name can be, so that no server of names is asked.
    host: () => `${'x'.repeat(64)}.invalid`,
    fails: [...UNREACHABLE, /dns|lookup|resolve/i],
  },
];
