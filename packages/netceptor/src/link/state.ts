import type { RoutingUpdate } from '../wire/routing-update.js';

/** How often a node introduces itself on a new session, and how many times at most (reference: mesh, 2.2). */
export const INTRODUCTION_INTERVAL = 1000;
export const INTRODUCTIONS = 11;

/** A session with a neighbour, from its start to its end (reference: mesh, 2.2). */
export type LinkState =
  | { readonly phase: 'starting'; readonly introductions: number }
  | {
      readonly phase: 'up';
      readonly peer: string;
      readonly cost: number;
      /** The peer has listed this node among its connections. */
      readonly confirmed: boolean;
    }
  | { readonly phase: 'closed' };

export const INITIAL_STATE: LinkState = { phase: 'starting', introductions: 0 };

/** Whom a link accepts, and at what cost. */
export interface LinkRules {
  readonly nodeId: string;
  readonly cost: number;
  /** Costs for single peers, instead of `cost`. */
  readonly nodeCost: ReadonlyMap<string, number>;
  /** Undefined when everybody may connect. */
  readonly allowedPeers: ReadonlySet<string> | undefined;
  /** Milliseconds without a message after which a session is given up. */
  readonly idleLimit: number;
}

/**
 * Whether there is another link to the peer: none, one that works, or one of which it is not known yet whether it is only
 * left over from a peer that went away without a word.
 */
export type Occupancy = 'free' | 'taken' | 'unclear';

/** What can happen to a link. */
export type LinkEvent =
  | { readonly type: 'introduce' }
  | { readonly type: 'update'; readonly update: RoutingUpdate; readonly occupancy: Occupancy }
  | { readonly type: 'rejected' }
  | { readonly type: 'idle'; readonly milliseconds: number }
  | { readonly type: 'stale' }
  | { readonly type: 'stop' }
  | { readonly type: 'ended'; readonly error?: Error };

/** Why a link went down, and what is to be told about it. */
export interface LinkEnd {
  readonly kind:
    | 'refused'
    | 'rejected'
    | 'no-answer'
    | 'idle'
    | 'stale'
    | 'stopped'
    | 'ended'
    | 'failed'
    | 'stalled';
  readonly reason: string;
}

/** What a link has to do. */
export type LinkAction =
  | { readonly do: 'introduce' }
  | { readonly do: 'establish'; readonly peer: string; readonly cost: number }
  | { readonly do: 'route'; readonly update: RoutingUpdate }
  | { readonly do: 'send-reject' }
  | { readonly do: 'close'; readonly end: LinkEnd };

/** The next state, and what has to be done to get there, in this order. */
export interface LinkStep {
  readonly state: LinkState;
  readonly actions: readonly LinkAction[];
}

const stay = (state: LinkState): LinkStep => ({ state, actions: [] });

function close(kind: LinkEnd['kind'], reason: string): LinkStep {
  return { state: { phase: 'closed' }, actions: [{ do: 'close', end: { kind, reason } }] };
}

/** Ends the session and tells the other side so. */
function reject(kind: LinkEnd['kind'], reason: string): LinkStep {
  const { state, actions } = close(kind, reason);
  return { state, actions: [{ do: 'send-reject' }, ...actions] };
}

function refuse(rules: LinkRules, peer: string, why: string): LinkStep {
  return reject('refused', `${rules.nodeId}: rejected connection with node ${peer} because ${why}`);
}

/** Moves a link on by one event. */
export function nextLinkStep(state: LinkState, event: LinkEvent, rules: LinkRules): LinkStep {
  if (state.phase === 'closed') return stay(state);
  switch (event.type) {
    case 'introduce':
      return introduce(state);
    case 'update':
      return state.phase === 'starting'
        ? meet(state, event.update, event.occupancy, rules)
        : listen(state, event.update, rules);
    case 'rejected':
      return close('rejected', 'remote node rejected the connection');
    case 'idle':
      if (state.phase !== 'up' || event.milliseconds <= rules.idleLimit) return stay(state);
      return close('idle', `idle for the past ${Math.floor(rules.idleLimit / 1000)}s`);
    case 'stale':
      return reject('stale', 'the peer has connected anew and no longer answers here');
    case 'stop':
      return reject('stopped', 'this node stopped the connection');
    case 'ended':
      return event.error
        ? close('failed', event.error.message)
        : close('ended', 'the peer closed the connection');
  }
}

function introduce(state: LinkState): LinkStep {
  if (state.phase !== 'starting') return stay(state);
  if (state.introductions >= INTRODUCTIONS)
    return close('no-answer', 'Giving up on connection initialization');
  return {
    state: { phase: 'starting', introductions: state.introductions + 1 },
    actions: [{ do: 'introduce' }],
  };
}

/** The first update tells who the peer is. */
function meet(state: LinkState, update: RoutingUpdate, occupancy: Occupancy, rules: LinkRules): LinkStep {
  const peer = update.forwardingNode;
  if (peer === '') return refuse(rules, peer, 'it did not tell its node ID');
  if (peer === rules.nodeId) return refuse(rules, peer, 'it tried to connect using our own node ID');
  if (rules.allowedPeers && !rules.allowedPeers.has(peer))
    return refuse(rules, peer, 'it is not in the allowed peers list');
  if (occupancy === 'taken')
    return refuse(rules, peer, 'it connected using a node ID we are already connected to');
  if (occupancy === 'unclear') return stay(state);
  const cost = rules.nodeCost.get(peer) ?? rules.cost;
  const up = { phase: 'up', peer, cost, confirmed: false } as const;
  const established: LinkAction = { do: 'establish', peer, cost };
  // A Go node does not look at the rest of this message. If it says more than who the peer is, it need not be said again.
  const rest = listen(up, update, rules);
  return { state: rest.state, actions: [established, ...rest.actions] };
}

function listen(
  state: LinkState & { readonly phase: 'up' },
  update: RoutingUpdate,
  rules: LinkRules,
): LinkStep {
  if (update.forwardingNode !== state.peer)
    return refuse(
      rules,
      state.peer,
      `remote node ID changed unexpectedly from ${state.peer} to ${update.nodeId}`,
    );
  const route: LinkAction = { do: 'route', update };
  if (update.nodeId !== state.peer) return { state, actions: [route] };
  const cost = update.connections.get(rules.nodeId);
  if (cost === undefined)
    return state.confirmed
      ? refuse(rules, state.peer, 'remote node no longer lists us as a connection')
      : stay(state);
  if (cost !== state.cost) return refuse(rules, state.peer, 'we disagree about the connection cost');
  return { state: { ...state, confirmed: true }, actions: [route] };
}
