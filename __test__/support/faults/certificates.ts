import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { generate } from 'selfsigned';

/** Whom the certificates of the sites are for: all of them are this machine. */
const NAMES = ['localhost', 'issuer.test'];
const ADDRESSES = ['127.0.0.1', '::1', '0.0.0.0'];
const DAY = 86_400_000;

/** A certificate and its private key, in PEM. */
export interface Identity {
  cert: string;
  key: string;
}

interface Terms {
  names?: string[];
  /** From which day from now until which. */
  days?: [from: number, until: number];
  authority?: boolean;
  signer?: Identity;
}

async function issue({ names, days = [-1, 1], authority = false, signer }: Terms) {
  const altNames = names
    ? names.map((value) => ({ type: 2 as const, value }))
    : [
        ...NAMES.map((value) => ({ type: 2 as const, value })),
        ...ADDRESSES.map((ip) => ({ type: 7 as const, ip })),
      ];
  const [notBeforeDate, notAfterDate] = days.map((day) => new Date(Date.now() + day * DAY));
  const { cert, private: key } = await generate(
    [
      {
        name: 'commonName',
        value: authority ? 'an authority of the tests' : 'a site of the tests',
      },
    ],
    {
      keyType: 'ec',
      algorithm: 'sha256',
      notBeforeDate: notBeforeDate!,
      notAfterDate: notAfterDate!,
      extensions: [
        { name: 'basicConstraints', cA: authority, critical: true },
        { name: 'keyUsage', digitalSignature: true, keyCertSign: authority, critical: true },
        { name: 'subjectAltName', altNames },
        // What macOS requires, and `openssl req -x509` leaves out.
        ...(authority ? [] : [{ name: 'extKeyUsage' as const, serverAuth: true }]),
      ],
      ...(signer && { ca: signer }),
    },
  );
  return { cert, key };
}

/** Made anew for each run: a private key in the repository would be one that expires. */
async function issueAll() {
  const authority = await issue({ authority: true });
  return {
    authority,
    good: await issue({ signer: authority }),
    wrongName: await issue({ signer: authority, names: ['elsewhere.test'] }),
    expired: await issue({ signer: authority, days: [-3, -1] }),
    notYet: await issue({ signer: authority, days: [1, 3] }),
    selfSigned: await issue({}),
    selfSignedAuthority: await issue({ authority: true }),
    wrongNameAuthority: await issue({ authority: true, names: ['elsewhere.test'] }),
    expiredAuthority: await issue({ authority: true, days: [-3, -1] }),
  };
}

export type Pki = Awaited<ReturnType<typeof newPki>>;

/** The identities, and files with their certificates. */
export async function newPki() {
  const identities = await issueAll();
  const dir = await mkdtemp(path.join(tmpdir(), 'certificates-'));
  const file = (name: keyof typeof identities) => path.join(dir, `${name}.pem`);
  for (const [name, { cert }] of Object.entries(identities)) {
    await writeFile(file(name as keyof typeof identities), cert);
  }
  const nonsense = path.join(dir, 'nonsense.pem');
  const label = 'CERTIFICATE-----';
  await writeFile(nonsense, `-----BEGIN ${label}\nbm9uc2Vuc2U=\n-----END ${label}\n`);
  return { identities, file, nonsense, remove: () => rm(dir, { recursive: true, force: true }) };
}
