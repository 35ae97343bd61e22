import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkPhase, type Phase } from '../src/leaks/check.js';
import { type Nodes, startNodes } from '../src/leaks/phases.js';

const SCALE = 0.02;
const names = [
  'connections one after the other',
  'streams one after the other',
  'streams at once',
  'link flaps',
];

describe('of thousands of them, in a small number here, nothing is left:', { timeout: 120_000 }, () => {
  let nodes: Nodes;
  let phases: readonly Phase[];
  beforeAll(async () => {
    nodes = await startNodes();
    phases = nodes.phases(SCALE);
  });
  afterAll(() => nodes.close());

  it.each(names)('%s', async (name) => {
    const phase = phases.find((one) => one.name === name);
    if (!phase) throw new Error('there is no such phase');
    expect((await checkPhase(phase)).faults).toEqual([]);
  });

  it('which are all phases that there are', () => {
    expect(phases.map(({ name }) => name)).toEqual(names);
  });
});

describe('the check for leaks', () => {
  const quick = { patience: 500, quiet: 200 };
  const timers: NodeJS.Timeout[] = [];
  const kept: Buffer[] = [];

  it('tells of a timer that is left, by its kind', async () => {
    const leak = {
      name: 'timers',
      count: 1,
      run: async () => void timers.push(setTimeout(() => {}, 60_000)),
    };
    const { faults } = await checkPhase(leak, quick);
    for (const timer of timers) clearTimeout(timer);
    expect(faults).toEqual([expect.stringMatching(/^Timeout: \d+ before, \d+ after$/)]);
  });

  it('tells of memory that is left', async () => {
    const run = async (count: number) => void kept.push(Buffer.alloc(count, 'x'));
    const { faults } = await checkPhase({ name: 'bytes', count: 8 * 1024 * 1024, run }, quick);
    kept.length = 0;
    expect(faults).toEqual([expect.stringMatching(/^memory: /)]);
  });
});
