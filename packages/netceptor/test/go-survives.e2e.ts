import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../../test/free-port.js';
import { Netceptor, TcpDialler, TcpListener } from '../src/index.js';
import { encodeFrame, FrameDecoder } from '../src/wire/frame.js';
import { encodeRoutingUpdate } from '../src/wire/routing-update.js';
import { GoNode, RECEPTOR_GO, SKIPPED } from './go-node.js';

const host = '127.0.0.1';
const started: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of started.splice(0).reverse()) await stop();
});
function ourNode(id: string): Netceptor {
  const node = new Netceptor({ id });
  started.push(() => node.close());
  return node;
}
async function goNode(id: string, sections: string): Promise<GoNode> {
  const node = await GoNode.start(id, sections);
  started.push(() => node.stop());
  return node;
}
async function reaches(node: Netceptor, ...others: string[]): Promise<void> {
  while (!others.every((other) => node.isReachable(other))) await once(node, 'routesChanged');
}
async function rawPeer(port: number): Promise<Socket> {
  const socket = connect(port, host);
  socket.on('error', () => {});
  started.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}
const update = (id: string, to: string, sequence: bigint) =>
  encodeRoutingUpdate({
    nodeId: id,
    updateId: `evil${sequence}`,
    epoch: 1n,
    sequence,
    connections: new Map([[to, 1]]),
    forwardingNode: id,
    suspectedDuplicate: 0n,
  });

describe.skipIf(!RECEPTOR_GO)(`what ends a Go node${SKIPPED}`, () => {
  it('does not get to it through ours', async () => {
    const port = await freePort();
    const ours = ourNode('ours');
    await ours.addBackend(new TcpListener({ port, host }));
    const go = await goNode('go', `- tcp-peer:\n    address: ${host}:${port}\n`);
    await reaches(ours, 'go');
    const evil = await rawPeer(port);
    evil.write(encodeFrame(update('evil', 'ours', 1n)));
    await reaches(ours, 'evil');
    for (const text of ['{}', 'null', '{"Cancel":true}', '{"Unknown":1}', '{"NodeID":"x"}'])
      evil.write(encodeFrame(Buffer.from(`\u0002${text}`)));
    evil.write(Buffer.from([0, 0]));
    evil.write(
      encodeFrame(
        Buffer.from(
          '\u0001{"NodeID":"z","UpdateID":"z1","UpdateEpoch":1,"UpdateSequence":1,"Connections":{"evil":-5},"ForwardingNode":"evil"}',
        ),
      ),
    );
    // What comes after that on the same links has been through them.
    evil.write(
      encodeFrame(Buffer.from('\u0002{"NodeID":"evil","Service":"last","Time":"2026-01-01T00:00:00Z"}')),
    );
    await go.logged('Received service advertisement from evil');
    expect(await go.command('ping ours')).toMatchObject({ Success: true });
    expect(go.exited).toBeUndefined();
  });

  it('is not sent round a circle of Go nodes when one of our services ends', async () => {
    const [one, two] = [await freePort(), await freePort()];
    const a = await goNode('a', `- tcp-listener:\n    port: ${one}\n    bindaddr: ${host}\n`);
    await goNode(
      'b',
      `- tcp-listener:\n    port: ${two}\n    bindaddr: ${host}\n- tcp-peer:\n    address: ${host}:${one}\n`,
    );
    const ours = ourNode('ours');
    await ours.addBackend(new TcpDialler({ address: `${host}:${one}` }));
    await ours.addBackend(new TcpDialler({ address: `${host}:${two}` }));
    await reaches(ours, 'a', 'b');
    // A circle is known once both have told of each other.
    while (ours.status().knownConnections.get('b')?.size !== 2)
      await new Promise((resolve) => setTimeout(resolve, 50));
    const listener = ours.listen('svc', (stream) => stream.end(), { tags: { type: 'Test' } });
    await a.logged('Received service advertisement from ours');
    listener.destroy();
    const heard = () => a.log.split('service advertisement from ours').length;
    const before = heard();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(heard() - before).toBeLessThan(5);
  });

  it('is not what a cancel of a Go node becomes at ours: it ends here', async () => {
    const port = await freePort();
    const ours = ourNode('ours');
    await ours.addBackend(new TcpListener({ port, host }));
    const go = await goNode('go', `- tcp-peer:\n    address: ${host}:${port}\n`);
    await reaches(ours, 'go');
    const [left, right] = [await rawPeer(port), await rawPeer(port)];
    const seen: string[] = [];
    const decoder = new FrameDecoder();
    right.on('data', (chunk: Buffer) => decoder.push(chunk, (message) => seen.push(message.toString())));
    left.write(encodeFrame(update('left', 'ours', 1n)));
    right.write(encodeFrame(update('right', 'ours', 1n)));
    await reaches(ours, 'left', 'right');
    const cancel = (time: string) =>
      encodeFrame(Buffer.from(`\u0002{"NodeID":"left","Service":"s","Time":"${time}","Cancel":true}`));
    for (let i = 10; i < 60; i++) left.write(cancel(`2026-01-01T00:00:${i}Z`));
    left.write(
      encodeFrame(Buffer.from('\u0002{"NodeID":"left","Service":"t","Time":"2026-01-01T00:00:00Z"}')),
    );
    await go.logged('Received service advertisement from left');
    expect(seen.filter((message) => message.includes('"Cancel":true'))).toEqual([]);
  });
});
