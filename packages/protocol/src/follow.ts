import { ReceptorError } from './errors.js';
import { encodeGoJson } from './go-json.js';
import type { UnitStatus, WorkState } from './unit.js';

/** What `work follow` tells of a unit's status. */
export type FollowedStatus = Pick<UnitStatus, 'State' | 'Detail' | 'StdoutSize'>;

/**
 * What comes after the first reply to `work follow` (reference: remote work): how the unit stands now, or how many bytes of its
 * output stand right after the frame. The status of a complete unit is the last frame, and comes after all of the output.
 */
export type Frame = { readonly status: FollowedStatus } | { readonly output: number };

/** The most bytes that one frame may announce. */
const MAX_OUTPUT = 16 * 1024 * 1024;

/** The first reply to `work follow`. */
export function followingLine(unitId: string): string {
  return `Following work unit ${unitId}\n`;
}

/** Writes a frame as one line, its newline included; bytes of output are to follow it. */
export function encodeFrame(frame: Frame): string {
  if ('output' in frame) return `{"Output":${frame.output}}\n`;
  const { Detail, State, StdoutSize } = frame.status;
  return `${encodeGoJson({ Detail, State, StdoutSize })}\n`;
}

/**
 * Reads a frame.
 * @throws ReceptorError `RECEPTOR_PROTOCOL` when the line is none.
 */
export function decodeFrame(line: string): Frame {
  const wrong = () =>
    new ReceptorError('RECEPTOR_PROTOCOL', `unexpected line while following a unit: ${line.slice(0, 200)}`);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw wrong();
  }
  if (typeof value !== 'object' || value === null) throw wrong();
  const { Output, State, Detail, StdoutSize } = value as Record<string, unknown>;
  if (isCount(Output) && Output <= MAX_OUTPUT) return { output: Output };
  if (!isCount(State) || State > 4 || typeof Detail !== 'string' || !isCount(StdoutSize)) throw wrong();
  return { status: { State: State as WorkState, Detail, StdoutSize } };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
