import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HeadFacts, headDoubt, LogHead } from '../../src/workers/kubernetes/output/log-head.js';

const START = 1_700_000_000_000;
const MIB = 1 << 20;
/** 10 MiB a second. */
const FAST = { bytes: 4 * MIB, span: 400 };
const SLOW = { bytes: 2_000, span: 10_000 };

const facts = (more: Partial<HeadFacts>): HeadFacts => ({
  missed: 0,
  bytes: 0,
  span: 0,
  whole: false,
  opened: START + 60_000,
  ...more,
});

describe('headDoubt', () => {
  it('doubts nothing when the first line is as old as the container', () => {
    expect(headDoubt(facts({ first: START + 900, ...FAST }), START)).toBeUndefined();
  });

  it('takes a loss for likely when the container would have filled a file in the time before', () => {
    expect(headDoubt(facts({ first: START + 20_000, ...FAST }), START)).toMatchObject({ likely: true });
  });

  it('takes a loss for possible when the container writes little, but ran for long before', () => {
    expect(headDoubt(facts({ first: START + 20_000, ...SLOW }), START)).toMatchObject({ likely: false });
    expect(headDoubt(facts({ first: START + 4_000, ...SLOW }), START)).toBeUndefined();
  });

  it('takes a loss for possible when a file can have been filled in two seconds', () => {
    expect(headDoubt(facts({ first: START + 1_900, ...FAST }), START)).toMatchObject({ likely: false });
  });

  it('takes no rate from a few bytes, as they may be those of one write', () => {
    expect(headDoubt(facts({ first: START + 1_900, bytes: 100_000, span: 0 }), START)).toBeUndefined();
  });

  it('counts only the time in which nobody listened', () => {
    const first = START + 60_000;
    expect(headDoubt(facts({ first, opened: START + 900, ...FAST }), START)).toBeUndefined();
    expect(headDoubt(facts({ first, attached: START + 900, ...FAST }), START)).toBeUndefined();
    expect(headDoubt(facts({ first, ranFor: 200, ...FAST }), START)).toBeUndefined();
    expect(headDoubt(facts({ first, opened: START + 900, missed: 8_000, ...FAST }), START)).toBeDefined();
  });

  it('doubts the emptiness of a log that was opened long after the container began', () => {
    expect(headDoubt(facts({}), START, START + 30_000)).toMatchObject({ likely: false });
    expect(headDoubt(facts({}), START, START + 1_000)).toBeUndefined();
  });

  it('has nothing to say where attach had the first byte, or nobody knows when the container began', () => {
    expect(headDoubt(facts({ first: START + 20_000, whole: true, ...FAST }), START)).toBeUndefined();
    expect(headDoubt(facts({ first: START + 20_000, ...FAST }), undefined)).toBeUndefined();
  });

  it('never takes for likely what it would not doubt, and a later beginning never for less of a risk', () => {
    const time = fc.nat(30_000);
    fc.assert(
      fc.property(time, time, fc.nat(8 * MIB), fc.nat(5_000), (one, more, bytes, span) => {
        const rank = (first: number) => {
          const doubt = headDoubt(facts({ first: START + first, bytes, span }), START);
          return doubt === undefined ? 0 : doubt.likely ? 2 : 1;
        };
        expect(rank(one + more)).toBeGreaterThanOrEqual(rank(one));
      }),
    );
  });
});

describe('LogHead', () => {
  const stamp = (ms: number) => BigInt(START + ms) * 1_000_000n;

  it('knows by the attempt before for how long a container can have run unattached', () => {
    const head = new LogHead();
    head.onAttachFailed(1_000);
    head.onAttachOpened(1_150);
    head.onLogOpened(3_000, START);
    expect(head.facts).toMatchObject({ opened: START, attached: START - 1_850, ranFor: 150 });
  });

  it('does not count on an attach that had ended when the log was opened', () => {
    const head = new LogHead();
    head.onAttachOpened(1_000);
    head.onAttachClosed();
    head.onLogOpened(3_000, START);
    expect(head.facts.attached).toBeUndefined();
  });

  it('counts the time between streams until the first line has come, and no longer', () => {
    const head = new LogHead();
    head.onLogOpened(1_000, START);
    head.onLogClosed(2_000);
    head.onLogOpened(2_700, START + 2_000);
    head.onLines(stamp(3_000), stamp(3_500), 100);
    head.onLogClosed(4_000);
    head.onLogOpened(9_000, START + 8_000);
    expect(head.facts).toMatchObject({ opened: START, missed: 700, first: START + 3_000, span: 500 });
  });
});
