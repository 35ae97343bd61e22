import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redialDelay } from '../src/link/backoff.js';
import {
  INITIAL_STATE,
  INTRODUCTIONS,
  type LinkAction,
  type LinkEvent,
  type LinkRules,
  type LinkState,
  nextLinkStep,
} from '../src/link/state.js';
import type { RoutingUpdate } from '../src/wire/routing-update.js';

const rules: LinkRules = {
  nodeId: 'foo',
  cost: 1,
  nodeCost: new Map([['pricey', 7]]),
  allowedPeers: undefined,
  idleLimit: 21_000,
};
const update = (
  nodeId: string,
  connections: Record<string, number> = {},
  forwardingNode = nodeId,
): RoutingUpdate => ({
  nodeId,
  updateId: 'u',
  epoch: 1n,
  sequence: 1n,
  connections: new Map(Object.entries(connections)),
  forwardingNode,
  suspectedDuplicate: 0n,
});
const heard = (message: RoutingUpdate, occupancy: 'free' | 'taken' | 'unclear' = 'free') =>
  ({ type: 'update', update: message, occupancy }) satisfies LinkEvent;

/** Runs events through a link; returns where it ends and all it did. */
function run(
  events: readonly LinkEvent[],
  with_: Partial<LinkRules> = {},
): { state: LinkState; actions: LinkAction[] } {
  let state = INITIAL_STATE;
  const actions: LinkAction[] = [];
  for (const event of events) {
    const step = nextLinkStep(state, event, { ...rules, ...with_ });
    state = step.state;
    actions.push(...step.actions);
  }
  return { state, actions };
}
const reasonOf = ({ actions }: { actions: LinkAction[] }) =>
  actions.flatMap((action) => (action.do === 'close' ? [action.end.reason] : []))[0];
const done = ({ actions }: { actions: LinkAction[] }) => actions.map((action) => action.do);

describe('a link that starts', () => {
  it('introduces the node up to 11 times, and then gives up', () => {
    const introduce: LinkEvent = { type: 'introduce' };
    const result = run(Array.from({ length: INTRODUCTIONS + 1 }, () => introduce));
    expect(done(result)).toEqual([...Array.from({ length: 11 }, () => 'introduce'), 'close']);
    expect(reasonOf(result)).toBe('Giving up on connection initialization');
  });

  it('is established by the first update, whoever it is about', () => {
    const result = run([heard(update('other', {}, 'raw'))]);
    expect(result.state).toEqual({ phase: 'up', peer: 'raw', cost: 1, confirmed: false });
    expect(result.actions[0]).toEqual({ do: 'establish', peer: 'raw', cost: 1 });
  });

  it('does not need to hear twice what the first update says', () => {
    const result = run([heard(update('raw', { foo: 1, x: 2 }))]);
    expect(done(result)).toEqual(['establish', 'route']);
    expect(result.state).toMatchObject({ confirmed: true });
  });

  it('has the cost that is set for the peer', () => {
    expect(run([heard(update('pricey'))]).state).toMatchObject({ cost: 7 });
  });

  it.each([
    ['it tried to connect using our own node ID', heard(update('foo')), {}],
    ['it is not in the allowed peers list', heard(update('raw')), { allowedPeers: new Set(['bar']) }],
    ['it is not in the allowed peers list', heard(update('raw')), { allowedPeers: new Set<string>() }],
    ['it connected using a node ID we are already connected to', heard(update('raw'), 'taken'), {}],
    ['it did not tell its node ID', heard(update('raw', {}, '')), {}],
    ['we disagree about the connection cost', heard(update('raw', { foo: 2 })), {}],
  ] as const)('refuses a peer because %s', (why, event, with_) => {
    const result = run([event], with_);
    expect(reasonOf(result)).toBe(
      `foo: rejected connection with node ${event.update.forwardingNode} because ${why}`,
    );
    expect(done(result).slice(-2)).toEqual(['send-reject', 'close']);
    expect(result.state.phase).toBe('closed');
  });

  it('waits while it is unclear whether the peer has another link', () => {
    expect(run([heard(update('raw'), 'unclear')])).toEqual({ state: INITIAL_STATE, actions: [] });
    expect(run([heard(update('raw'), 'unclear'), heard(update('raw'))]).state.phase).toBe('up');
  });
});

describe('a link that is up', () => {
  const up = [heard(update('raw'))];
  const confirmed = [...up, heard(update('raw', { foo: 1 }))];

  it('ignores a late introduction', () => {
    expect(done(run([...up, heard(update('raw'))]))).toEqual(['establish']);
  });

  it('takes what the peer passes on', () => {
    expect(done(run([...up, heard(update('far', {}, 'raw'))]))).toEqual(['establish', 'route']);
  });

  it.each([
    ['remote node no longer lists us as a connection', [...confirmed, heard(update('raw'))]],
    ['we disagree about the connection cost', [...up, heard(update('raw', { foo: 1.5 }))]],
    ['remote node ID changed unexpectedly from raw to bar', [...up, heard(update('bar'))]],
  ])('refuses the peer because %s', (why, events) => {
    const result = run(events);
    expect(reasonOf(result)).toBe(`foo: rejected connection with node raw because ${why}`);
    expect(done(result).slice(-2)).toEqual(['send-reject', 'close']);
  });

  it('ends after a silence longer than the limit, not before', () => {
    expect(run([...up, { type: 'idle', milliseconds: 21_000 }]).state.phase).toBe('up');
    expect(reasonOf(run([...up, { type: 'idle', milliseconds: 21_001 }]))).toBe('idle for the past 21s');
    expect(run([{ type: 'idle', milliseconds: 99_000 }]).state).toEqual(INITIAL_STATE);
  });

  it('tells the peer when it is stopped, and does not when the peer has ended it', () => {
    expect(done(run([...up, { type: 'stop' }]))).toEqual(['establish', 'send-reject', 'close']);
    expect(done(run([...up, { type: 'rejected' }]))).toEqual(['establish', 'close']);
    expect(reasonOf(run([...up, { type: 'ended', error: new Error('reset') }]))).toBe('reset');
  });
});

describe('whatever happens', () => {
  const anyEvent: fc.Arbitrary<LinkEvent> = fc.oneof(
    fc.constant<LinkEvent>({ type: 'introduce' }),
    fc.constant<LinkEvent>({ type: 'rejected' }),
    fc.constant<LinkEvent>({ type: 'stop' }),
    fc.constant<LinkEvent>({ type: 'stale' }),
    fc.constant<LinkEvent>({ type: 'ended' }),
    fc.nat(30_000).map((milliseconds): LinkEvent => ({ type: 'idle', milliseconds })),
    fc
      .record({
        node: fc.constantFrom('raw', 'foo', 'bar', ''),
        via: fc.constantFrom('raw', 'raw', 'foo', ''),
        cost: fc.constantFrom(undefined, 1, 2),
        occupancy: fc.constantFrom('free' as const, 'taken' as const, 'unclear' as const),
      })
      .map(({ node, via, cost, occupancy }) =>
        heard(update(node, cost === undefined ? {} : { foo: cost }, via), occupancy),
      ),
  );

  it('a link is established at most once, closed at most once, and silent after that', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 30 }), (events) => {
        const { state, actions } = run(events);
        const names = actions.map((action) => action.do);
        expect(names.filter((name) => name === 'establish').length).toBeLessThanOrEqual(1);
        const close = names.indexOf('close');
        expect(state.phase === 'closed').toBe(close >= 0);
        if (close >= 0) expect(close).toBe(names.length - 1);
        for (const action of actions)
          if (action.do === 'route') expect(action.update.forwardingNode).toBe('raw');
      }),
    );
  });
});

describe('dialling again', () => {
  it('waits longer each time, up to 20 seconds', () => {
    const delays = Array.from({ length: 40 }, (_, i) => redialDelay(i + 1, () => 199));
    expect(delays[0]).toBeLessThan(60);
    expect([...delays].sort((a, b) => a - b)).toEqual(delays);
    expect(delays.at(-1)).toBeGreaterThan(19_000);
    expect(delays.at(-1)).toBeLessThanOrEqual(20_000);
  });

  it('finds a peer that has come back after a quarter more of the time that it was away', () => {
    let away = 0;
    for (let failures = 1; away < 60_000; failures++) {
      const delay = redialDelay(failures, () => 199);
      expect(delay).toBeLessThanOrEqual(52 + away / 4);
      away += delay;
    }
  });
});
