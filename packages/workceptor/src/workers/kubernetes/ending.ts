import { WorkState } from '@receptor/protocol';
import type { Pod } from './objects.js';
import type { OutputReport } from './output/index.js';
import { type ContainerEnd, disruption, ownEnd } from './pod-status.js';

/** How a unit ends. */
export interface Ending {
  state: WorkState;
  detail: string;
  exitCode: number | null;
  reason: string;
  report?: OutputReport;
  /** Whether the pod is of no more use and has to go. */
  removePod: boolean;
}

/** What the end of a unit depends on beside its pod. */
export interface EndingRules {
  podName: string;
  namespace: string;
  failOnNonZeroExit: boolean;
}

/** What was seen of a pod until its output was collected. */
export interface LastSeen {
  /** The last that was seen of it. */
  pod?: Pod;
  /** How its worker ended, if it was seen to. */
  end?: ContainerEnd;
  /** It does not exist any more, or is over without an end of its worker. */
  gone: boolean;
}

/** `first: second: third`, without what is empty or was said already. */
export function sentence(...parts: string[]): string {
  const said: string[] = [];
  for (const part of parts) if (part !== '' && !said.some((each) => each.includes(part))) said.push(part);
  return said.join(': ');
}

/** What was missing, in words. */
function gapWords(output: OutputReport): string {
  const { gaps } = output;
  if (gaps.length === 0) return '';
  const known = gaps.every((gap) => gap.bytes !== undefined);
  const bytes = gaps.reduce((sum, gap) => sum + (gap.bytes ?? 0), 0);
  const amount = known
    ? `${bytes} bytes`
    : bytes > 0
      ? `at least ${bytes} bytes`
      : 'an unknown number of bytes';
  const places = gaps.length === 1 ? 'a gap' : `${gaps.length} gaps`;
  return `the output has ${places}, ${amount} of it could not be had from the cluster (${gaps[0]?.reason})`;
}

/** What may be missing, in words; empty where there is no sign of it. */
function doubtWords({ doubts = [], uncertain = [] }: OutputReport): string {
  const bytes = uncertain.reduce((sum, part) => sum + part.bytes, 0);
  const returns = `carriage returns may be missing from ${bytes} bytes of the output that only the log had`;
  return [...doubts, ...(uncertain.length > 0 ? [returns] : [])].join(', and ');
}

/** A message that says already that it is an error stays as it is. */
const blame = (stream: string, message: string): string =>
  message.startsWith('Error ') ? message : `Error with pod's ${stream}: ${message}`;

/** A bad end that others brought about: the worker's by force, or the pod's as a whole. */
function calamity(
  { pod, end, gone }: LastSeen,
  rules: EndingRules,
): { detail: string; reason: string } | undefined {
  if (end) {
    if (end.exitCode === 0 || ownEnd(end.reason)) return undefined;
    const how = `Error running pod: container failed with exit code ${end.exitCode}`;
    return { detail: sentence(how, end.reason, end.message), reason: end.reason };
  }
  if (!gone) return undefined;
  const why = pod ? disruption(pod) : '';
  const what = `pod ${rules.namespace}/${rules.podName} was deleted or lost before its worker had ended`;
  return { detail: sentence(`Error running pod: ${what}`, why), reason: why.split(': ')[0] || 'Deleted' };
}

/**
 * How a unit whose output is collected ends: Succeeded only where an end was seen and the output is whole. An exit
 * code other than 0 is the worker's own affair where it ended by itself, as with Receptor 1.6.
 */
export function conclude(seen: LastSeen, output: OutputReport, rules: EndingRules): Ending {
  const { end } = seen;
  const base = {
    exitCode: end?.exitCode ?? null,
    reason: end?.reason ?? '',
    report: output,
    removePod: false,
  };
  const failed = (detail: string): Ending => ({ ...base, state: WorkState.Failed, detail });
  const gaps = gapWords(output);
  const blow = calamity(seen, rules);
  // It explains why the payload or the output broke off.
  if (blow) return { ...failed(sentence(blow.detail, gaps)), reason: blow.reason };
  if (output.stdin === 'failed') {
    // The worker may have taken a part of its payload for the whole; it must not go on with it.
    const detail = `Error with pod's stdin: ${output.error?.message ?? 'not delivered'}`;
    return { ...failed(detail), removePod: !end };
  }
  if (output.error) return failed(blame('stdout', output.error.message));
  if (!end) return failed('Error running pod: its worker was not seen to end');
  const doubts = doubtWords(output);
  const code = end.exitCode === 0 && gaps === '' && doubts === '' ? '' : ` with exit code ${end.exitCode}`;
  const reason = end.exitCode !== 0 && end.reason ? ` (${end.reason})` : '';
  const detail = `Finished${code}${reason}${end.exitCode === 0 || !end.message ? '' : `: ${end.message}`}`;
  if (gaps !== '') return failed(`${detail}, but ${gaps}`);
  const state = end.exitCode !== 0 && rules.failOnNonZeroExit ? WorkState.Failed : WorkState.Succeeded;
  return { ...base, state, detail: doubts === '' ? detail : `${detail}, but ${doubts}` };
}
