import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawGraph, GRAPHS, type GraphKind } from '../src/simulation/graphs.js';
import { nodeId, SimulatedMesh } from '../src/simulation/mesh.js';
import { seededRandom } from '../src/simulation/random.js';
import { Reference } from '../src/simulation/reference.js';

const SECOND = 1000;

async function startMesh(kind: GraphKind, nodes: number, seed = 1): Promise<SimulatedMesh> {
  const mesh = new SimulatedMesh(drawGraph(kind, nodes, seededRandom(seed)), seed);
  mesh.setQuality({ delay: 2 });
  for (let i = 0; i < nodes; i++) await mesh.start(i);
  await mesh.clock.advance(5 * SECOND);
  return mesh;
}
function expectRight(mesh: SimulatedMesh): void {
  expect(new Reference(mesh).wrongRoutes()).toEqual([]);
}

describe('a mesh of 40 nodes', () => {
  it.each(GRAPHS)('that is a %s finds a cheapest way from everywhere to everywhere', async (kind) => {
    const mesh = await startMesh(kind, 40);
    expectRight(mesh);
    await mesh.clock.advance(30 * SECOND);
    expectRight(mesh);
    await mesh.stopAll();
    expect(mesh.clock.pending).toBe(0);
  });

  it('settles within a second when all start at once', async () => {
    const mesh = new SimulatedMesh(drawGraph('random', 40, seededRandom(7)), 7);
    for (let i = 0; i < 40; i++) await mesh.start(i);
    await mesh.clock.advance(SECOND);
    expectRight(mesh);
    await mesh.stopAll();
  });

  it('falls apart without a word, and comes together again', async () => {
    const mesh = await startMesh('random', 40);
    mesh.partition((node) => node % 2);
    await mesh.clock.advance(40 * SECOND);
    expectRight(mesh);
    mesh.partition(undefined);
    await mesh.clock.advance(40 * SECOND);
    expectRight(mesh);
    await mesh.stopAll();
  });

  it('finds its ways over links that lose, delay and reorder, once they have stopped to', async () => {
    const mesh = await startMesh('scale-free', 40);
    mesh.setQuality({ delay: 10, jitter: 80, loss: 50 });
    await mesh.clock.advance(60 * SECOND);
    expect(mesh.traffic.lost).toBeGreaterThan(100);
    mesh.setQuality({ delay: 10 });
    await mesh.clock.advance(30 * SECOND);
    expectRight(mesh);
    await mesh.stopAll();
  });

  it('is right again after nodes left and came back, some with their clocks set back', async () => {
    const mesh = await startMesh('grid', 40);
    for (const node of [3, 17, 22, 39]) await mesh.stop(node);
    await mesh.clock.advance(3 * SECOND);
    expectRight(mesh);
    await mesh.start(3);
    await mesh.start(17, { clockOffset: -86_400_000 });
    await mesh.start(22, { clockOffset: -3_600_000 });
    await mesh.start(39, { clockOffset: 86_400_000 });
    await mesh.clock.advance(30 * SECOND);
    expectRight(mesh);
    await mesh.stopAll();
  });

  it('is right again after a node with the ID of another one has tried to join', async () => {
    const mesh = await startMesh('ring', 20);
    await mesh.stop(5);
    const twin = await mesh.start(5, { id: nodeId(15) });
    let stopped = false;
    twin.on('closed', () => {
      stopped = true;
    });
    await mesh.clock.advance(30 * SECOND);
    expect(stopped).toBe(true);
    await mesh.stop(5);
    await mesh.clock.advance(30 * SECOND);
    expectRight(mesh);
    await mesh.stopAll();
  });

  it('sends no packet round for ever while its ways change', async () => {
    const mesh = await startMesh('random', 30, 3);
    let pings = 0;
    for (let round = 0; round < 10; round++) {
      await mesh.stop(mesh.running[mesh.random(mesh.running.length)] ?? 0);
      for (let i = 0; i < 20; i++) {
        const [from, to] = [mesh.running[i % mesh.running.length] ?? 0, mesh.random(30)];
        void mesh.node(from).ping(nodeId(to), { timeout: 900 });
        pings++;
      }
      await mesh.clock.advance(SECOND);
    }
    // There and back, 30 links at most each.
    expect(mesh.traffic.data).toBeLessThanOrEqual(60 * pings);
    expect(mesh.traffic.data).toBeGreaterThan(pings);
    expectRight(mesh);
    await mesh.stopAll();
  });

  it('has ways that packets really go', async () => {
    const mesh = await startMesh('scale-free', 15);
    const results = mesh.running.flatMap((from) =>
      mesh.running.map(async (to) => [nodeId(to), (await mesh.node(from).ping(nodeId(to))).from]),
    );
    await mesh.clock.advance(SECOND);
    for (const [asked, answered] of await Promise.all(results)) expect(answered).toBe(asked);
    await mesh.stopAll();
  });
});

describe('any mesh', () => {
  it('is right again after anything that can happen to it', async () => {
    const happening = fc.oneof(
      fc.record({ what: fc.constant('stop' as const), node: fc.nat(11) }),
      fc.record({ what: fc.constant('start' as const), node: fc.nat(11) }),
      fc.record({ what: fc.constant('wait' as const), time: fc.nat(8000) }),
      fc.record({ what: fc.constant('cut' as const), node: fc.nat(11) }),
      fc.constant({ what: 'heal' as const }),
      fc.record({ what: fc.constant('links' as const), loss: fc.nat(200), jitter: fc.nat(300) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...GRAPHS),
        fc.nat(),
        fc.array(happening, { maxLength: 12 }),
        async (kind, seed, happenings) => {
          const mesh = await startMesh(kind, 12, seed);
          for (const event of happenings) {
            if (event.what === 'stop') await mesh.stop(event.node);
            else if (event.what === 'start' && !mesh.running.includes(event.node))
              await mesh.start(event.node);
            else if (event.what === 'wait') await mesh.clock.advance(event.time);
            else if (event.what === 'cut') mesh.partition((node) => (node <= event.node ? 0 : 1));
            else if (event.what === 'heal') mesh.partition(undefined);
            else if (event.what === 'links') mesh.setQuality(event);
          }
          mesh.setQuality({ delay: 2 });
          await mesh.clock.advance(90 * SECOND);
          expectRight(mesh);
          await mesh.stopAll();
          expect(mesh.clock.pending).toBe(0);
        },
      ),
      { numRuns: 25 },
    );
  });
});
