import { goReceptor, type Program, receptor } from '@receptor/e2e';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../../../test/free-port.js';
import { Authority, type Pair } from '../../netceptor/test/certificates.js';
import { hasRoutes, knowsServiceOf, Mesh, type MeshNode, SKIPPED } from './support/mesh.js';
import { thereAndBack } from './support/transfer.js';

/** As much as goes through a stream each way: once opened by one node, and once by the other. */
const SIZE = 100 * 1024 * 1024;

/** How two nodes have a link. */
interface Way {
  readonly name: string;
  listener(port: number): unknown[];
  peer(port: number): unknown[];
}

const pem: { ca: string; pairs: Record<string, Pair> } = { ca: '', pairs: {} };
const tls = (nodeId: string, directory: (name: string) => string) => ({
  server: {
    'tls-server': {
      name: 'srv',
      cert: directory(`${nodeId}.crt`),
      key: directory(`${nodeId}.key`),
      clientcas: directory('ca.crt'),
      requireclientcert: true,
    },
  },
  client: {
    'tls-client': {
      name: 'cli',
      cert: directory(`${nodeId}.crt`),
      key: directory(`${nodeId}.key`),
      rootcas: directory('ca.crt'),
    },
  },
});

const WAYS: Way[] = [
  {
    name: 'TCP',
    listener: (port) => [{ 'tcp-listener': { port } }],
    peer: (port) => [{ 'tcp-peer': { address: `localhost:${port}` } }],
  },
  {
    name: 'TCP with TLS',
    listener: (port) => [{ 'tcp-listener': { port, tls: 'srv' } }],
    peer: (port) => [{ 'tcp-peer': { address: `localhost:${port}`, tls: 'cli' } }],
  },
  {
    name: 'UDP',
    listener: (port) => [{ 'udp-listener': { port } }],
    peer: (port) => [{ 'udp-peer': { address: `localhost:${port}` } }],
  },
  {
    name: 'WebSocket',
    listener: (port) => [{ 'ws-listener': { port } }],
    peer: (port) => [{ 'ws-peer': { address: `ws://localhost:${port}` } }],
  },
  {
    name: 'WebSocket with TLS',
    listener: (port) => [{ 'ws-listener': { port, tls: 'srv' } }],
    peer: (port) => [{ 'ws-peer': { address: `wss://localhost:${port}`, tls: 'cli' } }],
  },
];

describe.skipIf(!goReceptor)(`a link with a Go node${SKIPPED}`, () => {
  let mesh: Mesh;
  beforeAll(async () => {
    const authority = await Authority.create();
    pem.ca = authority.pem;
    for (const nodeId of ['ours', 'go'])
      pem.pairs[nodeId] = await authority.sign({ nodeIds: [nodeId], algorithm: 'rsa' });
  });
  beforeEach(async () => {
    mesh = await Mesh.create();
    await mesh.write('ca.crt', pem.ca);
    for (const [nodeId, { cert, key }] of Object.entries(pem.pairs)) {
      await mesh.write(`${nodeId}.crt`, cert);
      await mesh.write(`${nodeId}.key`, key);
    }
  });
  afterEach(() => mesh.close());

  describe.each(WAYS)('over $name', ({ name, listener, peer }) => {
    test.each([
      ['we listen', 'ours', 'go'],
      ['we dial', 'go', 'ours'],
    ])('that %s for', { timeout: 400_000 }, async (_, listening, dialling) => {
      const port = await freePort();
      const programs: Record<string, Program | undefined> = { ours: receptor, go: goReceptor };
      const start = (nodeId: string, side: 'server' | 'client', link: unknown[]) => {
        const profiles = name.endsWith('TLS') ? [tls(nodeId, (file) => mesh.file(file))[side]] : [];
        return mesh.start(nodeId, programs[nodeId], [...profiles, ...link]);
      };
      const nodes = [
        await start(listening, 'server', listener(port)),
        await start(dialling, 'client', peer(port)),
      ] as const;
      for (const [near, far] of [nodes, [...nodes].reverse() as [MeshNode, MeshNode]] as const) {
        await hasRoutes(near, { [far.nodeId]: far.nodeId });
        await knowsServiceOf(near, far.nodeId);
        const { Connections, KnownConnectionCosts, Advertisements } = await near.client.status();
        expect(Connections).toEqual([{ NodeID: far.nodeId, Cost: 1 }]);
        expect(KnownConnectionCosts).toEqual({ ours: { go: 1 }, go: { ours: 1 } });
        expect(Advertisements?.find(({ NodeID }) => NodeID === far.nodeId)).toMatchObject({
          Service: 'control',
          ConnType: 1,
          Tags: { type: 'Control Service' },
          WorkCommands: [{ WorkType: 'cat', Secure: false }],
        });
        expect(await near.client.ping(far.nodeId)).toMatchObject({ Success: true, From: far.nodeId });
        const hops = await near.client.traceroute(far.nodeId);
        expect(Object.values(hops).map(({ From, Error: error }) => [From, error])).toEqual([
          [near.nodeId, undefined],
          [far.nodeId, undefined],
        ]);
        const through = near.client.through(far.nodeId);
        expect((await through.status()).NodeID).toBe(far.nodeId);
        const { sent, received, bytes } = await thereAndBack(through, SIZE);
        expect(bytes).toBe(SIZE);
        expect(received).toBe(sent);
        expect((await near.client.status()).Connections).toEqual([{ NodeID: far.nodeId, Cost: 1 }]);
      }
    });
  });
});
