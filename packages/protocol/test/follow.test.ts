import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeFrame,
  encodeCommand,
  encodeFrame,
  type Frame,
  parseCommandLine,
  type WorkState,
} from '../src/index.js';

const frames: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ output: fc.nat(16 * 1024 * 1024) }),
  fc.record({
    status: fc.record({
      State: fc.nat(4).map((state) => state as WorkState),
      Detail: fc.string({ unit: 'binary' }),
      StdoutSize: fc.maxSafeNat(),
    }),
  }),
);

describe('a frame of a unit that is followed', () => {
  it('is one line, and read as it was written', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        const line = encodeFrame(frame);
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(decodeFrame(line)).toEqual(frame);
      }),
    );
  });

  it.each([
    '',
    '{',
    'null',
    '5',
    '{}',
    '{"Output":-1}',
    '{"Output":1.5}',
    '{"Output":16777217}',
    '{"Output":"5"}',
    '{"State":5,"Detail":"","StdoutSize":0}',
    '{"State":1,"Detail":5,"StdoutSize":0}',
    '{"State":1,"Detail":""}',
    '{"State":1,"Detail":"","StdoutSize":-1}',
  ])('is not %s', (line) => {
    expect(() => decodeFrame(line)).toThrow('unexpected line while following a unit');
  });
});

describe('a command of remote work', () => {
  it('is read as it was written', () => {
    const follow = { command: 'work', subcommand: 'follow', unitId: 'abc', startPos: 7 } as const;
    expect(encodeCommand(follow)).toBe('work follow abc 7\n');
    expect(parseCommandLine(encodeCommand(follow))).toEqual(follow);
    const signed = { ...follow, signature: 'x.y.z' };
    expect(parseCommandLine(encodeCommand(signed))).toEqual(signed);
    const submit = {
      command: 'work',
      subcommand: 'submit',
      node: 'bar',
      workType: 'cat',
      idempotencyKey: 'k'.repeat(32),
      thenFollow: true,
      parameters: { params: 'a' },
    } as const;
    expect(parseCommandLine(encodeCommand(submit))).toEqual(submit);
    expect(() => encodeCommand({ ...submit, parameters: { idempotencykey: 'x' } })).toThrow(
      'Duplicate or illegal parameter idempotencykey',
    );
  });
});
