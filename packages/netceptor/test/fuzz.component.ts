import { describe, expect, it } from 'vitest';
import { fuzz, runInput, TARGETS } from '../src/fuzz/fuzz.js';
import type { FuzzTarget } from '../src/fuzz/target.js';

const names = Object.keys(TARGETS);
const target = (name: string): FuzzTarget => {
  const create = TARGETS[name];
  if (!create) throw new Error(`no target ${name}`);
  return create();
};

/** How many inputs are tried of each; those that run whole nodes or handshakes take longer. */
const EXECUTIONS: Readonly<Record<string, number>> = { link: 150, 'quic-handshake': 40, certificates: 300 };

/** What fuzzing has found at some time. */
const FOUND: readonly (readonly [what: string, target: string, input: string])[] = [
  [
    'an update with two UpdateIDs, of which a glance saw the first and Go takes the last',
    'wire',
    Buffer.from(
      '\u0001{"NodeID":"foo","UpdateID":"first","UpdateEpoch":1,"UpdateSequence":1,"Connections":{},' +
        '"ForwardingNode":"foo","SuspectedDuplicate":0,"UpdateID":"second"}',
    ).toString('hex'),
  ],
  [
    'quotes without an end, which took seconds',
    'wire',
    Buffer.from(`\u0002${'\\"'.repeat(32_000)}`).toString('hex'),
  ],
  ['a handshake on a clock that stood still', 'quic-handshake', 'a00087fb'],
  ['a stream that was still under way when its time was over', 'quic-handshake', '18f1ad60'],
];

describe('fuzzing', () => {
  it.each(names)('%s finds nothing with seeds that are always the same', async (name) => {
    const executions = EXECUTIONS[name] ?? 600;
    const result = await fuzz(target(name), { seed: 4242, executions });
    expect(result.finding).toBeUndefined();
    expect(result.executions).toBe(executions);
  });

  it.each(FOUND)('finds no more %s', async (_, name, input) => {
    expect(await runInput(target(name), Buffer.from(input, 'hex'))).toBeUndefined();
  });

  it('draws the same input from the same seed', async () => {
    const inputs: Buffer[] = [];
    const recorded = { ...target('wire'), run: (input: Buffer) => void inputs.push(input) };
    for (let round = 0; round < 2; round++) await fuzz(recorded, { seed: 7, executions: 20 });
    expect(inputs.slice(20)).toEqual(inputs.slice(0, 20));
  });

  it.each<[string, FuzzTarget['run'], string]>([
    [
      'throws',
      () => {
        throw new Error('thrown');
      },
      'thrown',
    ],
    ['rejects', () => Promise.reject(new Error('rejected')), 'rejected'],
  ])('tells of an input that %s, with the seed that draws it', async (_, fail, message) => {
    const broken = {
      ...target('wire'),
      run: (input: Buffer) => (input.length % 3 === 0 ? fail(input) : undefined),
    };
    const { finding } = await fuzz(broken, { seed: 1, executions: 500 });
    expect(finding?.error).toMatchObject({ message });
    const again = await fuzz(broken, { seed: finding?.seed ?? 0, executions: 1 });
    expect(again.finding?.input).toEqual(finding?.input);
  });
});
