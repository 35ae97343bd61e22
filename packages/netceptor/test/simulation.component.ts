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
    let packets = 0;
    for (let round = 0; round < 10; round++) {
      await mesh.stop(mesh.running[mesh.random(mesh.running.length)] ?? 0);
      for (let i = 0; i < 20; i++) {
        const [from, to] = [mesh.running[i % mesh.running.length] ?? 0, mesh.random(30)];
        mesh.sendPacket(from, to);
        packets++;
      }
      await mesh.clock.advance(SECOND);
    }
    expect(mesh.traffic.longest).toBeLessThanOrEqual(30);
    expect(mesh.traffic.data).toBeGreaterThan(packets);
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

/** What can happen to a mesh. */
type Happening =
  | { readonly what: 'stop' | 'start'; readonly node: number }
  | { readonly what: 'restart'; readonly node: number; readonly clockOffset: number }
  | { readonly what: 'twin'; readonly node: number; readonly of: number }
  | { readonly what: 'wait'; readonly time: number }
  | { readonly what: 'packet'; readonly from: number; readonly to: number }
  | { readonly what: 'cut'; readonly node: number }
  | { readonly what: 'heal' }
  | { readonly what: 'links'; readonly loss: number; readonly jitter: number }
  | { readonly what: 'slow'; readonly node: number; readonly delay: number };

const NODES = 12;
const any = fc.nat(NODES - 1);
const DAY = 86_400 * SECOND;
const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ what: fc.constantFrom('stop' as const, 'start' as const), node: any }),
  fc.record({ what: fc.constant('restart'), node: any, clockOffset: fc.integer({ min: -DAY, max: DAY }) }),
  fc.record({ what: fc.constant('twin'), node: any, of: any }),
  fc.record({ what: fc.constant('wait'), time: fc.nat(8 * SECOND) }),
  fc.record({ what: fc.constant('packet'), from: any, to: any }),
  fc.record({ what: fc.constant('cut'), node: any }),
  fc.constant({ what: 'heal' }),
  fc.record({ what: fc.constant('links'), loss: fc.nat(200), jitter: fc.nat(300) }),
  fc.record({ what: fc.constant('slow'), node: any, delay: fc.nat(3 * SECOND) }),
);

/** Lets it happen; `twins` are the places where a node has another one's ID. */
async function happen(mesh: SimulatedMesh, event: Happening, twins: Set<number>): Promise<void> {
  const isUp = (node: number) => mesh.running.includes(node);
  const stop = async (node: number) => {
    twins.delete(node);
    await mesh.stop(node);
  };
  switch (event.what) {
    case 'stop':
      return stop(event.node);
    case 'start':
      if (!isUp(event.node)) await mesh.start(event.node);
      return;
    case 'restart':
      await stop(event.node);
      await mesh.start(event.node, event);
      return;
    case 'twin':
      await stop(event.node);
      if (event.of === event.node) return;
      twins.add(event.node);
      await mesh.start(event.node, { id: nodeId(event.of) });
      return;
    case 'wait':
      return mesh.clock.advance(event.time);
    case 'packet':
      if (isUp(event.from)) mesh.sendPacket(event.from, event.to);
      return;
    case 'cut':
      mesh.partition((node) => (node <= event.node ? 0 : 1));
      return;
    case 'heal':
      mesh.partition(undefined);
      return;
    case 'links':
      mesh.setQuality(event);
      return;
    case 'slow':
      mesh.setQuality({ delay: event.delay }, event.node);
  }
}

/** How many stories to try, and the seed that a failure printed, to try the same ones again. */
const { STORIES = '40', SEED } = process.env;

describe('any mesh', () => {
  it(
    'is right again after anything that can happen to it, and no packet went too far',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...GRAPHS),
          fc.nat(),
          fc.array(happening, { maxLength: 16 }),
          async (kind, seed, happenings) => {
            const mesh = await startMesh(kind, NODES, seed);
            const twins = new Set<number>();
            for (const event of happenings) await happen(mesh, event, twins);
            for (const twin of twins) await mesh.stop(twin);
            mesh.setQuality({ delay: 2 });
            await mesh.clock.advance(120 * SECOND);
            expectRight(mesh);
            expect(mesh.traffic.longest).toBeLessThanOrEqual(30);
            await mesh.stopAll();
            expect(mesh.clock.pending).toBe(0);
          },
        ),
        { numRuns: Number(STORIES), ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
      );
    },
    60_000 + 500 * Number(STORIES),
  );

  it('goes the same way when it is drawn from the same seed', async () => {
    const run = async () => {
      const mesh = await startMesh('random', NODES, 5);
      mesh.setQuality({ jitter: 50, loss: 20 });
      await mesh.stop(3);
      await mesh.clock.advance(30 * SECOND);
      const { traffic } = mesh;
      await mesh.stopAll();
      return { ...traffic };
    };
    expect(await run()).toEqual(await run());
  });
});
