import type { Session } from '../backends/backend.js';
import { MemoryNetwork } from '../backends/memory.js';
import { silentLogger } from '../logger.js';
import { Netceptor } from '../node.js';
import { seededRandom } from '../simulation/random.js';
import { VirtualClock } from '../simulation/virtual-clock.js';
import { encodeData } from '../wire/data.js';
import { nameHash } from '../wire/name-hash.js';
import { encodeRoutingUpdate } from '../wire/routing-update.js';
import { capturedMessages } from './corpus.js';
import { mutateSome, splitMessages } from './mutate.js';
import { check, type FuzzTarget } from './target.js';

const MOST_MESSAGES = 12;

function introduction(): Buffer {
  return encodeRoutingUpdate({
    nodeId: 'stranger',
    updateId: 'hello',
    epoch: 1n,
    sequence: 1n,
    connections: new Map([['node', 1]]),
    forwardingNode: 'stranger',
    suspectedDuplicate: 0n,
  });
}

/** What the neighbour of `node` could send to it, in the names that are used here. */
function plausibleMessages(): Buffer[] {
  const data = (toNode: string, toService: string, payload: string) =>
    encodeData({
      hops: 5,
      fromNode: nameHash('stranger'),
      toNode: nameHash(toNode),
      fromService: 'e1',
      toService,
      payload: Buffer.from(payload),
    });
  return [
    introduction(),
    data('node', 'ping', ''),
    data('node', 'talk', 'hello'),
    data(
      'node',
      'unreach',
      '{"FromNode":"node","ToNode":"x","FromService":"talk","ToService":"y","Problem":"service unknown"}',
    ),
    data('friend', 'ping', ''),
    data('nobody', 'ping', ''),
  ];
}

/** A node with a friend and a stranger. Whatever the stranger says, the node and its friend stay linked. */
export function linkTarget(): FuzzTarget {
  const corpus = [...capturedMessages(), ...plausibleMessages(), ...plausibleMessages()];
  return {
    name: 'link',
    generate: (random) => mutateSome(random, corpus, MOST_MESSAGES),
    async run(input) {
      const clock = new VirtualClock();
      const network = new MemoryNetwork();
      const random = seededRandom(1);
      const node = new Netceptor({ id: 'node', clock, random });
      const friend = new Netceptor({ id: 'friend', clock, random });
      await node.addBackend(network.listener('node'));
      node.listen('talk', (stream) => stream.on('error', () => {}).pipe(stream));
      await friend.addBackend(network.dialler('friend', 'node'));
      await clock.advance(1000);
      let duplicate = false;
      node.once('duplicate', () => {
        duplicate = true;
      });
      const stranger = network.dialler('stranger', 'node', { redial: false });
      const session: Session = await stranger.connect({
        clock,
        log: silentLogger,
        signal: new AbortController().signal,
      });
      session.open({ message() {}, drained() {}, ended() {} });
      session.send(introduction());
      await clock.advance(10);
      for (const message of splitMessages(input)) {
        session.send(message);
        await clock.advance(1);
      }
      await clock.advance(1000);
      if (!duplicate) {
        const linked = node.status().connections.some(({ nodeId }) => nodeId === 'friend');
        check(linked && friend.isReachable('node'), 'the link to the friend is gone');
      }
      const closing = Promise.all([node.close(), friend.close()]);
      session.close();
      await clock.advance(5000);
      await closing;
      check(clock.pending === 0, `closed nodes have left ${clock.pending} timers`);
    },
  };
}
