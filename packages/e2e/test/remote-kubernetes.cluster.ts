import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { goReceptor, type Program, receptor } from '@receptor/e2e';
import { isComplete, type UnitReport } from '@receptor/protocol';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { freePort } from '../../../test/free-port.js';
import { kubectl } from './support/kubectl.js';
import { hasRoutes, Mesh, type MeshNode, SKIPPED } from './support/mesh.js';

const kubeconfig = process.env.KUBECONFIG ?? '';
const PATIENCE_MS = 120_000;

const LINES: [string, Program | undefined, Program | undefined][] = [
  ['ours to ours', receptor, receptor],
  [`Go to ours${SKIPPED}`, goReceptor, receptor],
  [`ours to Go${SKIPPED}`, receptor, goReceptor],
];

/** Waits until a unit is complete. */
const completed = ({ client }: MeshNode, unitId: string): Promise<UnitReport> =>
  vi.waitFor(
    async () => {
      const unit = await client.workStatus(unitId);
      if (!isComplete(unit.State)) throw new Error(`still ${unit.StateName}: ${unit.Detail}`);
      return unit;
    },
    { timeout: PATIENCE_MS, interval: 100 },
  );

/** The pods whose worker was started, by the events of a cluster, which stay when the pods are gone. */
async function podsStarted(workType: string): Promise<string[]> {
  const { items } = JSON.parse(
    await kubectl(['get', 'events', '-o', 'json', '--field-selector', 'reason=Started']),
  ) as { items: { involvedObject: { name: string }; count?: number }[] };
  return items
    .filter(({ involvedObject }) => involvedObject.name.startsWith(`${workType}-`))
    .flatMap(({ involvedObject, count = 1 }) => Array<string>(count).fill(involvedObject.name));
}

describe.skipIf(!kubeconfig)('a pod of a real cluster, submitted at another node', () => {
  describe.each(LINES)('%s', (_, nearProgram, farProgram) => {
    let mesh: Mesh;
    let near: MeshNode;
    let far: MeshNode;
    // A pod is named after its work type.
    const unsigned = `far-${randomBytes(4).toString('hex')}`;
    const signed = `far-signed-${randomBytes(4).toString('hex')}`;

    beforeEach(async () => {
      if (!nearProgram || !farProgram) return;
      mesh = await Mesh.create();
      const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const [signing, verifying] = [mesh.file('private.pem'), mesh.file('public.pem')];
      await writeFile(signing, privateKey.export({ format: 'pem', type: 'pkcs1' }), { mode: 0o600 });
      await writeFile(verifying, publicKey.export({ format: 'pem', type: 'spki' }));
      const pods = (worktype: string, verifysignature: boolean) => ({
        'work-kubernetes': {
          ...{ worktype, verifysignature, authmethod: 'kubeconfig', kubeconfig, namespace: 'default' },
          ...{ image: 'busybox', command: 'sh', params: `-c 'cat; echo " in $HOSTNAME"'` },
        },
      });
      const port = await freePort();
      far = await mesh.start('far', farProgram, [
        { 'tcp-listener': { bindaddr: '127.0.0.1', port } },
        { 'work-verification': { publickey: verifying } },
        pods(unsigned, false),
        pods(signed, true),
      ]);
      near = await mesh.start('near', nearProgram, [
        { 'tcp-peer': { address: `127.0.0.1:${port}` } },
        { 'work-signing': { privatekey: signing, tokenexpiration: '1m' } },
      ]);
      await hasRoutes(near, { far: 'far' });
    });

    afterEach(() => mesh?.close());

    test.skipIf(!nearProgram || !farProgram).each([
      ['unsigned', unsigned, false],
      ['signed', signed, true],
    ])('%s: runs once, with the same output and state at both', async (_kind, workType, signWork) => {
      const payload = randomBytes(30_000).toString('hex');
      const { unitid } = await near.client.submitWork({ node: far.nodeId, workType, payload, signWork });
      const here = await completed(near, unitid);
      const farId = (here.ExtraData as { RemoteUnitID: string }).RemoteUnitID;
      const there = await completed(far, farId);
      const { PodName } = there.ExtraData as { PodName: string };

      const expected = `${payload} in ${PodName}\n`;
      expect(here).toMatchObject({
        StateName: 'Succeeded',
        Detail: 'Finished',
        StdoutSize: expected.length,
        ExtraData: { RemoteNode: far.nodeId, SignWork: signWork },
      });
      expect(there).toMatchObject({
        StateName: 'Succeeded',
        Detail: 'Finished',
        StdoutSize: expected.length,
        WorkType: workType,
      });
      expect(await outputOf(near, unitid)).toBe(expected);
      expect(await outputOf(far, farId)).toBe(expected);
      expect(await podsStarted(workType)).toEqual([PodName]);

      expect(await near.client.releaseWork(unitid)).toEqual({ released: unitid });
      await vi.waitFor(async () => expect(await far.client.workList()).toEqual({}), { timeout: 20_000 });
      await vi.waitFor(
        async () => expect(await kubectl(['get', 'pod', PodName, '--ignore-not-found'])).toBe(''),
        { timeout: 60_000, interval: 500 },
      );
    });
  });
});

async function outputOf({ client }: MeshNode, unitId: string): Promise<string> {
  let output = '';
  for await (const chunk of client.results(unitId)) output += chunk;
  return output;
}
