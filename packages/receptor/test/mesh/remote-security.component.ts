import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isComplete, ReceptorClient, type UnitReport } from '@receptor/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../../../test/free-port.js';
import { type RunningDaemon, runDaemon } from '../control/running-daemon.js';
import { Authority, CertificateFiles } from '../tls/certificate-files.js';

interface Node extends RunningDaemon {
  readonly client: ReceptorClient;
}

const files = new CertificateFiles();
beforeAll(async () => {
  const authority = await Authority.create();
  files.write('ca.crt', authority.pem);
  for (const id of ['alpha', 'beta']) await files.pair(id, authority, { nodeIds: [id] });
  for (const name of ['own', 'other']) {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    files.write(`${name}.pem`, privateKey.export({ format: 'pem', type: 'pkcs8' }).toString());
    files.write(`${name}.pub`, publicKey.export({ format: 'pem', type: 'spki' }).toString());
  }
});
afterAll(() => rmSync(files.directory, { recursive: true }));

const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function start(id: string, sections: string): Promise<Node> {
  const tls = ['server', 'client'].map(
    (side) =>
      `- tls-${side}: {name: ${side}, cert: ${files.file(`${id}.crt`)}, key: ${files.file(`${id}.key`)}, ` +
      `${side === 'server' ? 'requireclientcert: true, clientcas' : 'rootcas'}: ${files.file('ca.crt')}}\n`,
  );
  const node = await runDaemon(`${tls.join('')}${sections}\n`, undefined, id);
  const client = new ReceptorClient(node.socket);
  ending.push(async () => {
    client.close();
    await node.end();
  });
  return { ...node, client };
}

const completed = ({ client }: Node, unitId: string): Promise<UnitReport> =>
  vi.waitFor(
    async () => {
      const unit = await client.workStatus(unitId);
      if (!isComplete(unit.State)) throw new Error(`still ${unit.StateName}: ${unit.Detail}`);
      return unit;
    },
    { timeout: 30_000, interval: 5 },
  );

const reaches = ({ client }: Node, id: string) =>
  vi.waitFor(async () => expect((await client.status()).RoutingTable).toHaveProperty(id), {
    timeout: 20_000,
    interval: 10,
  });

/** What the first node says as a node of the mesh to the second. */
async function through(node: Node, target: string): Promise<ReceptorClient> {
  const client = new ReceptorClient(() => node.client.connectService(target, 'control'));
  ending.push(async () => client.close());
  return client;
}

const NO_SIGNATURE = 'could not verify signature: signature is empty';

describe('secrets', () => {
  it('go over TLS only, are never shown, and are gone when they have been used', async () => {
    const port = await freePort();
    const alpha = await start(
      'alpha',
      `- control-service: {filename: DIR/foo.sock}\n- tcp-listener: {port: ${port}, bindaddr: 127.0.0.1}`,
    );
    const work = { node: 'beta', workType: 'cat', parameters: { Secret_Word: 'hush-hush', other: 'shown' } };
    await expect(alpha.client.submitWork(work)).rejects.toThrow(
      'cannot send secrets over a non-TLS connection',
    );
    expect(await alpha.client.workList()).toEqual({});
    const { unitid } = await alpha.client.submitWork({ ...work, tlsClient: 'client' });
    const status = join(alpha.directory, 'data/alpha', unitid, 'status');
    expect(readFileSync(status, 'utf8')).toContain('hush-hush');
    expect(statSync(status).mode & 0o077).toBe(0);
    const shown = await alpha.client.workStatus(unitid);
    expect(shown.ExtraData).toMatchObject({ RemoteParams: { other: 'shown' }, TLSClient: 'client' });
    expect(JSON.stringify(shown)).not.toContain('hush-hush');
    const beta = await start(
      'beta',
      `- control-service: {filename: DIR/foo.sock, tls: server}\n- tcp-peer: {address: "localhost:${port}"}\n- work-command: {worktype: cat, command: cat}`,
    );
    expect((await completed(alpha, unitid)).StateName).toBe('Succeeded');
    expect(readFileSync(status, 'utf8')).not.toContain('hush-hush');
    for (const node of [alpha, beta]) expect(node.log.join('\n')).not.toContain('hush-hush');
  });

  it('are not the only thing that wants TLS: without it a service that asks for it makes a unit fail', async () => {
    const port = await freePort();
    const alpha = await start(
      'alpha',
      `- control-service: {filename: DIR/foo.sock}\n- tcp-listener: {port: ${port}, bindaddr: 127.0.0.1}`,
    );
    await start(
      'beta',
      `- control-service: {filename: DIR/foo.sock, tls: server}\n- tcp-peer: {address: "localhost:${port}"}\n- work-command: {worktype: cat, command: cat}`,
    );
    await reaches(alpha, 'beta');
    const { unitid } = await alpha.client.submitWork({ node: 'beta', workType: 'cat' });
    expect(await completed(alpha, unitid)).toMatchObject({
      StateName: 'Failed',
      Detail:
        'TLS error connecting to remote service: CRYPTO_ERROR 0x12a (local): insecure connection to secure service',
    });
  });
});

describe('signed work', () => {
  async function startSigned(signingKey: string): Promise<{ alpha: Node; beta: Node }> {
    const port = await freePort();
    const alpha = await start(
      'alpha',
      `- control-service: {filename: DIR/foo.sock}\n- tcp-listener: {port: ${port}, bindaddr: 127.0.0.1}\n` +
        `- work-signing: {privatekey: ${files.file(signingKey)}}\n- work-verification: {publickey: ${files.file('own.pub')}}`,
    );
    const beta = await start(
      'beta',
      `- control-service: {filename: DIR/foo.sock}\n- tcp-peer: {address: "localhost:${port}"}\n` +
        `- work-verification: {publickey: ${files.file('own.pub')}}\n` +
        '- work-command: {worktype: signed, command: sh, verifysignature: true}',
    );
    await Promise.all([reaches(alpha, 'beta'), reaches(beta, 'alpha')]);
    return { alpha, beta };
  }

  it('is for who has the key: to submit it, to read it and to end it, at either node', async () => {
    const { alpha, beta } = await startSigned('own.pem');
    const { unitid } = await alpha.client.submitWork({
      node: 'beta',
      workType: 'signed',
      signWork: true,
      payload: 'echo secret; sleep 100',
    });
    await vi.waitFor(async () => expect((await alpha.client.workStatus(unitid)).StdoutSize).toBe(7));
    const { RemoteUnitID } = (await alpha.client.workStatus(unitid)).ExtraData as { RemoteUnitID: string };

    for (const [stranger, id] of [
      [await through(alpha, 'beta'), RemoteUnitID],
      [await through(beta, 'alpha'), unitid],
    ] as const) {
      // The first output can be there before the state is told.
      await vi.waitFor(async () => expect((await stranger.workStatus(id)).StateName).toBe('Running'));
      await expect(stranger.cancelWork(id)).rejects.toThrow(NO_SIGNATURE);
      await expect(stranger.releaseWork(id)).rejects.toThrow(NO_SIGNATURE);
      await expect(stranger.releaseWork(id, { force: true })).rejects.toThrow(NO_SIGNATURE);
      await expect(stranger.results(id).toArray()).rejects.toThrow(NO_SIGNATURE);
    }
    const raw = await alpha.client.connectService('beta', 'control');
    raw.end(`work follow ${RemoteUnitID}\n`);
    let said = '';
    for await (const chunk of raw) said += chunk;
    expect(said).toBe(`Receptor Control, node beta\nERROR: ${NO_SIGNATURE}\n`);
    const mesh = await through(alpha, 'beta');
    await expect(mesh.submitWork({ workType: 'signed' })).rejects.toThrow(NO_SIGNATURE);
    await expect(mesh.submitWork({ workType: 'signed', signature: 'a.b.c' })).rejects.toThrow(
      'could not verify signature: token is malformed',
    );
    // Nor does this node sign for another one.
    const proxy = await through(beta, 'alpha');
    await expect(proxy.submitWork({ node: 'beta', workType: 'signed', signWork: true })).rejects.toThrow(
      NO_SIGNATURE,
    );
    expect(await alpha.client.cancelWork(unitid)).toEqual({ cancelled: unitid });
    expect(await alpha.client.releaseWork(unitid)).toEqual({ released: unitid });
    expect(await beta.client.workList()).toEqual({});
  });

  it('of another key makes a unit fail with the reason', async () => {
    const { alpha, beta } = await startSigned('other.pem');
    const submitting = alpha.client.submitWork({ node: 'beta', workType: 'signed', signWork: true });
    await expect(submitting).rejects.toMatchObject({
      code: 'RECEPTOR_SIGNATURE',
      message: 'could not parse response: ERROR: could not verify signature: crypto/rsa: verification error',
    });
    expect(await beta.client.workList()).toEqual({});
  });

  it('without a key fails before anything is sent', async () => {
    const port = await freePort();
    const alpha = await start(
      'alpha',
      `- control-service: {filename: DIR/foo.sock}\n- tcp-listener: {port: ${port}, bindaddr: 127.0.0.1}`,
    );
    const beta = await start(
      'beta',
      `- control-service: {filename: DIR/foo.sock}\n- tcp-peer: {address: "localhost:${port}"}\n- work-command: {worktype: cat, command: cat}`,
    );
    await reaches(alpha, 'beta');
    await expect(alpha.client.submitWork({ node: 'beta', workType: 'cat', signWork: true })).rejects.toThrow(
      'cannot sign work: signing key is empty',
    );
    expect(await beta.client.workList()).toEqual({});
  });
});
