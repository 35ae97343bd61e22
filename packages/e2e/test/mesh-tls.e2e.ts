import { createHash, X509Certificate } from 'node:crypto';
import { goReceptor, type Program, receptor } from '@receptor/e2e';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePort } from '../../../test/free-port.js';
import { Authority } from '../../netceptor/test/certificates.js';
import { hasRoutes, Mesh, type MeshNode, SKIPPED } from './support/mesh.js';

const fingerprint = (pem: string, sum: string) =>
  createHash(sum).update(new X509Certificate(pem).raw).digest('hex');

/** A node with control services on TLS of all kinds, and a node with TLS clients of all kinds. */
async function startPair(mesh: Mesh, caller: Program | undefined, service: Program | undefined) {
  const [authority, other] = [await Authority.create(), await Authority.create()];
  const rootcas = await mesh.write('ca.crt', authority.pem);
  const otherRoots = await mesh.write('other.crt', other.pem);
  const pairs: Record<string, { cert: string; key: string }> = {};
  const files: Record<string, { cert: string; key: string }> = {};
  for (const side of ['caller', 'service'])
    for (const [kind, signer, wanted] of [
      ['right', authority, { nodeIds: [side] }],
      ['stranger', other, { nodeIds: [side] }],
      ['expired', authority, { nodeIds: [side], until: -1 }],
      ['somebody', authority, { nodeIds: ['somebody'] }],
      ['unnamed', authority, {}],
    ] as const) {
      const name = `${side}-${kind}`;
      const pair = await signer.sign({ ...wanted, algorithm: 'rsa' });
      pairs[name] = pair;
      files[name] = {
        cert: await mesh.write(`${name}.crt`, pair.cert),
        key: await mesh.write(`${name}.key`, pair.key),
      };
    }
  const pin = (name: string, sum = 'sha256') => fingerprint(pairs[name]?.cert ?? '', sum);
  const server = (name: string, cert: string, more: Record<string, unknown> = {}) => [
    { 'tls-server': { name, ...files[cert], skipreceptornamescheck: true, ...more } },
    { 'control-service': { service: name, tls: name, filename: mesh.file(`${name}.sock`) } },
  ];
  const client = (name: string, cert: string, more: Record<string, unknown> = {}) => ({
    'tls-client': {
      name,
      ...(files[cert] ?? { cert: '', key: '' }),
      rootcas,
      skipreceptornamescheck: true,
      ...more,
    },
  });
  const mutual = { requireclientcert: true, clientcas: rootcas };
  const port = await freePort();
  const there = await mesh.start('service', service, [
    ...server('open', 'service-right'),
    ...server('mutual', 'service-right', mutual),
    ...server('tls13', 'service-right', { ...mutual, mintls13: true }),
    ...server('stranger', 'service-stranger', mutual),
    ...server('expired', 'service-expired', mutual),
    ...server('somebody', 'service-somebody', mutual),
    ...server('unnamed', 'service-unnamed', mutual),
    ...server('onlycas', 'service-right', { clientcas: rootcas }),
    ...server('pinned', 'service-right', {
      clientcas: rootcas,
      pinnedclientcert: [pin('caller-right', 'sha512')],
    }),
    ...server('reqpin', 'service-right', { ...mutual, pinnedclientcert: [pin('caller-somebody')] }),
    { 'tcp-listener': { port } },
  ]);
  const here = await mesh.start('caller', caller, [
    client('right', 'caller-right'),
    client('tls13', 'caller-right', { mintls13: true }),
    client('without', ''),
    client('stranger', 'caller-stranger'),
    client('expired', 'caller-expired'),
    client('somebody', 'caller-somebody'),
    client('distrust', 'caller-right', { rootcas: otherRoots }),
    client('pinned', 'caller-right', { pinnedservercert: [pin('service-right')] }),
    client('pin512', 'caller-right', { pinnedservercert: [pin('service-right', 'sha512').toUpperCase()] }),
    client('wrongpin', 'caller-right', { pinnedservercert: [pin('service-expired')] }),
    client('skip', 'caller-right', { insecureskipverify: true }),
    { 'tcp-peer': { address: `localhost:${port}` } },
  ]);
  await hasRoutes(here, { service: 'service' });
  await hasRoutes(there, { caller: 'caller' });
  return { here, there };
}

/** The service's own word, or what comes instead of it. */
async function answer({ client }: MeshNode, service: string, tls?: string): Promise<string> {
  const through = client.through('service', { service, ...(tls !== undefined && { tls }) });
  try {
    return `node ${(await through.status()).NodeID}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    through.close();
  }
}

const SERVED = /^node service$/;
const local = (text: string) => new RegExp(`^CRYPTO_ERROR 0x12a \\(local\\): ${text}`);
const UNKNOWN_AUTHORITY = local('x509: certificate signed by unknown authority');
const WRONG_PIN = local('RVF failed: presented certificate does not match any pinned fingerprint$');
const WITHOUT_TLS = local('insecure connection to secure service$');
/** The service refuses the caller: what the caller's log says of it. */
const refused = (number: string) => ({ logged: `CRYPTO_ERROR 0x${number} (remote)` });

type Expected = RegExp | { readonly logged: string };
/** Service, TLS client, and what the caller is answered. */
type Case = readonly [service: string, tls: string | undefined, expected: Expected];

const CASES: Case[] = [
  ['open', 'right', SERVED],
  ['open', 'without', SERVED],
  ['open', 'tls13', SERVED],
  ['open', undefined, WITHOUT_TLS],
  ['mutual', 'right', SERVED],
  ['mutual', 'tls13', SERVED],
  ['tls13', 'right', SERVED],
  ['tls13', 'tls13', SERVED],
  ['mutual', 'pinned', SERVED],
  ['mutual', 'pin512', SERVED],
  ['mutual', 'skip', SERVED],
  ['pinned', 'right', SERVED],
  ['onlycas', 'right', SERVED],
  // Without `requireclientcert` the certificate need not be for the caller's node.
  ['onlycas', 'somebody', SERVED],
  ['expired', 'skip', SERVED],
  ['somebody', 'skip', SERVED],
  ['mutual', undefined, WITHOUT_TLS],
  ['mutual', 'nosuch', /^unknown TLS config nosuch$/],
  ['mutual', 'distrust', UNKNOWN_AUTHORITY],
  ['mutual', 'wrongpin', WRONG_PIN],
  ['stranger', 'right', UNKNOWN_AUTHORITY],
  [
    'expired',
    'right',
    local('x509: certificate has expired or is not yet valid: current time .*Z is after .*Z$'),
  ],
  ['somebody', 'right', local('x509: certificate is valid for Receptor node ID somebody, not service$')],
  [
    'unnamed',
    'right',
    local('x509: certificate is not valid for any Receptor node IDs, but wanted to match service$'),
  ],
  // A service without TLS shows a certificate that nobody has signed.
  ['control', 'right', UNKNOWN_AUTHORITY],
  ['mutual', 'without', refused('174')],
  ['mutual', 'stranger', refused('130')],
  ['mutual', 'expired', refused('12d')],
  ['mutual', 'somebody', refused('12a')],
  ['onlycas', 'stranger', refused('130')],
  ['pinned', 'somebody', refused('12a')],
];
/** Where services of Go nodes and of ours differ. */
const OF_GO: Case[] = [
  ['onlycas', 'without', refused('12a')],
  // The fingerprints are not looked at.
  ['reqpin', 'right', SERVED],
];
const OF_OURS: Case[] = [
  ['onlycas', 'without', refused('174')],
  ['reqpin', 'right', refused('12a')],
];

const PAIRS: [string, Program | undefined, Program | undefined, Case[]][] = [
  ['our service, for our node', receptor, receptor, OF_OURS],
  [`our service, for a Go node${SKIPPED}`, goReceptor, receptor, OF_OURS],
  [`the service of a Go node, for ours${SKIPPED}`, receptor, goReceptor, OF_GO],
  [`the service of a Go node, for another${SKIPPED}`, goReceptor, goReceptor, OF_GO],
];

describe.each(PAIRS)('mutual TLS: %s', (_, caller, service, special) => {
  describe.skipIf(!caller || !service)('', () => {
    let mesh: Mesh;
    let here: MeshNode;
    let there: MeshNode;
    beforeAll(async () => {
      mesh = await Mesh.create();
      ({ here, there } = await startPair(mesh, caller, service));
    });
    afterAll(() => mesh.close());

    test.each([...CASES, ...special])('service %s, client %s: %s', async (name, tls, expected) => {
      const before = here.daemon.log().length;
      const said = await answer(here, name, tls);
      if (expected instanceof RegExp) {
        expect(said).toMatch(expected);
        return;
      }
      // The caller's side of the handshake was complete before the service refused.
      expect(said).toBe('the connection to the control service ended before the reply was complete');
      await vi.waitFor(() => expect(here.daemon.log().slice(before)).toContain(expected.logged));
    });

    test('neither node has stopped, and the link is as it was', async () => {
      for (const [node, peer] of [
        [here, 'service'],
        [there, 'caller'],
      ] as const)
        expect((await node.client.status()).Connections).toEqual([{ NodeID: peer, Cost: 1 }]);
    });
  });
});
