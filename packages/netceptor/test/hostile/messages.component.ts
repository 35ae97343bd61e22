import { afterEach, beforeEach, expect, it } from 'vitest';
import { MemoryNetwork, Netceptor } from '../../src/index.js';
import { VirtualClock } from '../../src/simulation/virtual-clock.js';
import { ConnectionType, decodeAdvertisement, encodeAdvertisement } from '../../src/wire/advertisement.js';
import { RawPeer } from '../raw-peer.js';

let clock: VirtualClock;
let network: MemoryNetwork;
let victim: Netceptor;
let friend: RawPeer;
let enemy: RawPeer;

beforeEach(async () => {
  clock = new VirtualClock();
  network = new MemoryNetwork();
  victim = new Netceptor({ id: 'victim', clock });
  await victim.addBackend(network.listener('victim'));
  friend = await RawPeer.establish(network, clock, 'friend', 'victim');
  enemy = await RawPeer.establish(network, clock, 'enemy', 'victim');
});
afterEach(async () => {
  const closing = victim.close();
  await clock.advance(5000);
  await closing;
});

const nanoseconds = (milliseconds: number) => BigInt(milliseconds) * 1_000_000n;
const heard = () => friend.ofType(2).map(decodeAdvertisement);

it.each([false, true])(
  'an advertisement of a service of this node by a stranger (cancel: %s) is ignored, and outdone',
  async (cancel) => {
    victim.openPacket('svc', { connectionType: ConnectionType.datagram, tags: new Map([['type', 'true']]) });
    await clock.advance(2000);
    const own = () => victim.status().advertisements.filter(({ service }) => service === 'svc');
    expect(own()).toHaveLength(1);
    const later = nanoseconds(clock.now() + 3_600_000);
    for (const service of ['svc', 'made-up'])
      enemy.send(
        encodeAdvertisement({
          nodeId: 'victim',
          service,
          time: later,
          connectionType: ConnectionType.stream,
          tags: new Map([['type', 'false']]),
          workCommands: null,
          cancel,
        }),
      );
    await clock.advance(2000);
    expect(victim.status().advertisements.map(({ service }) => service)).toEqual(['svc']);
    expect(own()).toMatchObject([
      { connectionType: ConnectionType.datagram, tags: new Map([['type', 'true']]) },
    ]);
    // Others hear the node's own word only, and one that counts for more than what the stranger may have told them elsewhere.
    expect(heard().map(({ service, tags }) => [service, tags?.get('type')])).not.toContainEqual([
      'svc',
      'false',
    ]);
    expect(heard().map(({ service }) => service)).not.toContain('made-up');
    expect((heard().at(-1)?.time ?? 0n) > later).toBe(true);
  },
);

it('packets for a service that nobody takes are counted and gone, and others get theirs meanwhile', async () => {
  victim.openPacket('deaf');
  const before = victim.status().packets.delivered;
  for (let i = 0; i < 20_000; i++) enemy.data('victim', 'flood', 'deaf');
  friend.data('victim', 'ask', 'ping');
  await clock.advance(10);
  expect(victim.status().packets.delivered - before).toBeGreaterThanOrEqual(20_000);
  expect(friend.ofType(0)).toHaveLength(1);
  expect(
    victim
      .status()
      .connections.map(({ nodeId }) => nodeId)
      .sort(),
  ).toEqual(['enemy', 'friend']);
});

it('an update with a negative cost is refused: nothing of it is known, and it is passed on to nobody', async () => {
  const before = friend.messages.length;
  for (const cost of ['-1', '0', '-0.5'])
    enemy.send(
      `\u0001{"NodeID":"z","UpdateID":"u${cost}","UpdateEpoch":1,"UpdateSequence":1,"Connections":{"enemy":${cost}},` +
        '"ForwardingNode":"enemy","SuspectedDuplicate":0}',
    );
  await clock.advance(300);
  expect(victim.status().knownConnections.has('z')).toBe(false);
  expect(victim.isReachable('z')).toBe(false);
  expect(
    friend.messages
      .slice(before)
      .map(String)
      .filter((text) => text.includes('"z"')),
  ).toEqual([]);
  expect(enemy.ended).toBe(false);
});
