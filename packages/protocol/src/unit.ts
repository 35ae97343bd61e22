/** The states of a work unit, as numbered on the wire and on disk (reference: work, 1.1). */
export const WorkState = { Pending: 0, Running: 1, Succeeded: 2, Failed: 3, Canceled: 4 } as const;

/** One of the numbers of {@link WorkState}. */
export type WorkState = (typeof WorkState)[keyof typeof WorkState];

/** A unit's `status` file, member for member (reference: work, 1.1). */
export interface UnitStatus {
  State: WorkState;
  /** What a person needs to know about the state. */
  Detail: string;
  /** Bytes of output there are. */
  StdoutSize: number;
  WorkType: string;
  /** What the work type keeps about the unit; `null` where there is nothing. */
  ExtraData: unknown;
}

/** A unit as `work status` and `work list` report it (reference: control, 6). */
export interface UnitReport extends UnitStatus {
  StateName: string;
}

/** Names a state as replies do; a number that is no state becomes `Unknown: n`. */
export function stateName(state: number): string {
  const names = ['Pending', 'Running', 'Succeeded', 'Failed', 'Canceled'];
  return names[state] ?? `Unknown: ${state}`;
}

/** Whether nothing more can happen to a unit in this state. Unlike the Go daemon's, this includes Canceled. */
export function isComplete(state: number): boolean {
  return state === WorkState.Succeeded || state === WorkState.Failed || state === WorkState.Canceled;
}
