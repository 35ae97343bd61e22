import { WorkState } from '@receptor/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Lifecycle,
  type LifecycleAction,
  type LifecycleEvent,
  type LifecycleRules,
  newLifecycle,
  step,
} from '../../src/workers/kubernetes/lifecycle.js';
import type { ContainerState, Pod } from '../../src/workers/kubernetes/objects.js';
import type { OutputReport } from '../../src/workers/kubernetes/output/index.js';

const RULES: LifecycleRules = { podName: 'p', namespace: 'n', hasStdin: false, failOnNonZeroExit: false };
let version = 0;

function pod(state: ContainerState | undefined, status: Pod['status'] = {}, metadata: object = {}): Pod {
  version += 1;
  return {
    metadata: { name: 'p', uid: 'u', resourceVersion: String(version), ...metadata },
    status: {
      phase: 'Pending',
      ...(state ? { containerStatuses: [{ name: 'worker', image: 'img:1', state }] } : {}),
      ...status,
    },
  };
}
const seen = (
  state: ContainerState | undefined,
  status?: Pod['status'],
  metadata?: object,
): LifecycleEvent => ({
  type: 'pod',
  pod: pod(state, status, metadata),
});
const whole: OutputReport = { bytes: 3, gaps: [], notes: [], stdin: 'none' };
const output = (more: Partial<OutputReport> = {}): LifecycleEvent => ({
  type: 'output',
  report: { ...whole, ...more },
});
const terminated = (exitCode: number, reason: string, message = ''): ContainerState => ({
  terminated: { exitCode, reason, ...(message ? { message } : {}) },
});

const CREATING = seen({ waiting: { reason: 'ContainerCreating' } });
const RUNNING = seen({ running: {} }, { phase: 'Running' });
const DONE = seen(terminated(0, 'Completed'), { phase: 'Running' });

/** Plays events; what was done, and the life at the end. */
function play(events: LifecycleEvent[], rules: Partial<LifecycleRules> = {}) {
  let life = newLifecycle();
  const actions: LifecycleAction[] = [];
  for (const event of events) {
    const next = step(life, event, { ...RULES, ...rules });
    life = next.life;
    actions.push(...next.actions);
  }
  return { life, actions };
}
const did = (actions: LifecycleAction[]) =>
  actions.map((action) => action.do).filter((what) => what !== 'report');
const reports = (actions: LifecycleAction[]) =>
  actions.flatMap((action) => (action.do === 'report' ? [`${action.state} ${action.detail}`] : []));
function ending(events: LifecycleEvent[], rules: Partial<LifecycleRules> = {}) {
  const finished = play(events, rules).actions.find((action) => action.do === 'finish');
  if (finished?.do !== 'finish') throw new Error('it does not end');
  return finished.ending;
}

describe('the life of a pod', () => {
  it('that goes well: reported, collected, ended, finished', () => {
    const { actions } = play([CREATING, RUNNING, DONE, output()]);
    expect(reports(actions)).toEqual(['0 Pod created; ContainerCreating (image img:1)', '1 Pod Running']);
    expect(did(actions)).toEqual(['collect', 'started', 'ended', 'finish']);
    expect(ending([CREATING, RUNNING, DONE, output()])).toMatchObject({
      state: WorkState.Succeeded,
      detail: 'Finished',
      exitCode: 0,
      reason: 'Completed',
      removePod: false,
    });
  });

  it('with a payload is Running only when that was sent', () => {
    const { actions } = play([RUNNING, { type: 'stdinSent' }], { hasStdin: true });
    expect(reports(actions)).toEqual(['0 Sending stdin to pod', '1 Pod Running']);
  });

  it('that was never seen to run is collected all the same', () => {
    expect(did(play([CREATING, DONE, output()]).actions)).toEqual(['collect', 'started', 'ended', 'finish']);
  });

  it('reports nothing twice', () => {
    expect(
      reports(play([RUNNING, RUNNING, seen({ running: {} }, { phase: 'Running' })]).actions),
    ).toHaveLength(1);
  });

  it('takes the end from the container, whatever the phase says', () => {
    const early = seen(terminated(0, 'Completed'), { phase: 'Pending' });
    expect(ending([early, output()]).detail).toBe('Finished');
  });

  it('is told where the API is away, and when it is back', () => {
    const { actions } = play([
      RUNNING,
      { type: 'trouble', text: 'the Kubernetes API: no answer' },
      { type: 'trouble', text: '' },
    ]);
    expect(reports(actions)).toEqual([
      '1 Pod Running',
      '1 Pod Running; the Kubernetes API: no answer',
      '1 Pod Running',
    ]);
  });

  it('tells of warnings while it waits', () => {
    const { actions } = play([CREATING, { type: 'warning', text: 'FailedMount: no such volume' }]);
    expect(reports(actions).at(-1)).toBe(
      '0 Pod created; ContainerCreating (image img:1); FailedMount: no such volume',
    );
  });
});

describe('a warning', () => {
  const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'no room' };
  const unscheduled = seen(undefined, { phase: 'Pending', conditions: [condition] });

  it('that only repeats why the pod waits is not told', () => {
    const warning: LifecycleEvent = { type: 'warning', text: 'FailedScheduling: no room' };
    expect(reports(play([unscheduled, warning]).actions)).toEqual(['0 Pod created; Unschedulable: no room']);
    expect(ending([unscheduled, warning, { type: 'timeout' }]).detail).toBe(
      'Error creating pod: timed out waiting for the condition: Unschedulable: no room',
    );
  });

  it('that says more is told to the end', () => {
    const warning: LifecycleEvent = { type: 'warning', text: 'FailedMount: no volume' };
    expect(ending([CREATING, warning, { type: 'timeout' }]).detail).toBe(
      'Error creating pod: timed out waiting for the condition, ContainerCreating (image img:1): FailedMount: no volume',
    );
  });
});

describe('a pod that does not begin', () => {
  const BACK_OFF = () =>
    seen({ waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "img:1"' } });

  it('is borne in ImagePullBackOff three times, the fourth is the end', () => {
    expect(did(play([BACK_OFF(), BACK_OFF(), BACK_OFF()]).actions)).toEqual([]);
    expect(ending([BACK_OFF(), BACK_OFF(), BACK_OFF(), BACK_OFF()])).toMatchObject({
      state: WorkState.Failed,
      detail:
        'Error creating pod: container failed to start, ImagePullBackOff: Back-off pulling image "img:1"',
      reason: 'ImagePullBackOff',
      removePod: true,
    });
  });

  it('is not counted twice for one and the same status', () => {
    const same = BACK_OFF();
    expect(did(play(Array(20).fill(same)).actions)).toEqual([]);
  });

  it('that has an impossible image name is not waited for', () => {
    const event = seen({
      waiting: { reason: 'InvalidImageName', message: 'couldn\'t parse image name "A:B"' },
    });
    expect(ending([event]).detail).toBe(
      'Error creating pod: container failed to start, InvalidImageName: couldn\'t parse image name "A:B" (image img:1)',
    );
  });

  it('fails with the pod, and says why', () => {
    const evicted = seen(undefined, { phase: 'Failed', reason: 'Evicted', message: 'low on memory' });
    expect(ending([evicted])).toMatchObject({
      state: WorkState.Failed,
      detail: 'Error creating pod: pod failed to start: Evicted: low on memory',
      reason: 'Evicted',
    });
  });

  it('ends with the time that it was given', () => {
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'no room' };
    const unscheduled = seen(undefined, { phase: 'Pending', conditions: [condition] });
    expect(ending([unscheduled, { type: 'timeout' }])).toMatchObject({
      detail: 'Error creating pod: timed out waiting for the condition: Unschedulable: no room',
      removePod: true,
    });
    expect(did(play([RUNNING, { type: 'timeout' }]).actions)).toEqual(['collect', 'started']);
  });

  it('and is gone fails with that', () => {
    expect(ending([CREATING, { type: 'gone' }])).toMatchObject({
      state: WorkState.Failed,
      detail: 'Error creating pod: pods "p" not found: it was deleted before its worker ran',
      removePod: false,
    });
  });

  it('and is not told of fails with what the API says', () => {
    expect(ending([CREATING, { type: 'refused', text: 'Forbidden' }]).detail).toBe(
      'Error getting pod n/p. Error: Forbidden',
    );
  });
});

describe('a worker that has ended', () => {
  const end = (
    state: ContainerState,
    report: Partial<OutputReport> = {},
    rules: Partial<LifecycleRules> = {},
  ) => ending([RUNNING, seen(state, { phase: 'Running' }), output(report)], rules);

  it.each<[number, string, WorkState, string]>([
    [0, 'Completed', WorkState.Succeeded, 'Finished'],
    [1, 'Error', WorkState.Succeeded, 'Finished with exit code 1 (Error)'],
    [2, 'Completed', WorkState.Succeeded, 'Finished with exit code 2 (Completed)'],
    [3, '', WorkState.Succeeded, 'Finished with exit code 3'],
    [137, 'OOMKilled', WorkState.Failed, 'Error running pod: container failed with exit code 137: OOMKilled'],
    [137, 'Evicted', WorkState.Failed, 'Error running pod: container failed with exit code 137: Evicted'],
    [
      128,
      'StartError',
      WorkState.Failed,
      'Error running pod: container failed with exit code 128: StartError',
    ],
    [
      1,
      'ContainerStatusUnknown',
      WorkState.Failed,
      'Error running pod: container failed with exit code 1: ContainerStatusUnknown',
    ],
  ])('with code %i and reason %s', (code, reason, state, detail) => {
    expect(end(terminated(code, reason))).toMatchObject({ state, detail, exitCode: code, reason });
  });

  it('with a code other than 0 is Failed where that is asked for', () => {
    const strict = { failOnNonZeroExit: true };
    expect(end(terminated(1, 'Error', 'why'), {}, strict)).toMatchObject({
      state: WorkState.Failed,
      detail: 'Finished with exit code 1 (Error): why',
    });
    expect(end(terminated(0, 'Completed'), {}, strict).state).toBe(WorkState.Succeeded);
  });

  it('whose output has a gap is Failed, and says how large it is', () => {
    const gap = { at: 5, bytes: 7, reason: 'the log was rotated away' };
    expect(end(terminated(0, 'Completed'), { gaps: [gap] })).toMatchObject({
      state: WorkState.Failed,
      detail:
        'Finished with exit code 0, but the output has a gap, 7 bytes of it could not be had from the cluster (the log was rotated away)',
    });
  });

  it('whose output could not be read is Failed', () => {
    expect(end(terminated(0, 'Completed'), { error: new Error('gone') }).detail).toBe(
      "Error with pod's stdout: gone",
    );
    expect(end(terminated(0, 'Completed'), { error: new Error('Error opening log') }).detail).toBe(
      'Error opening log',
    );
  });

  it('that did not get its payload is Failed', () => {
    const report = { stdin: 'failed' as const, error: new Error('broke off') };
    expect(end(terminated(0, 'Completed'), report)).toMatchObject({
      state: WorkState.Failed,
      detail: "Error with pod's stdin: broke off",
      removePod: false,
    });
  });

  it('that may still run without its whole payload is not left running', () => {
    const report = { stdin: 'failed' as const, error: new Error('broke off') };
    expect(ending([RUNNING, output(report)])).toMatchObject({ removePod: true });
  });

  it('by force is blamed on that, not on the streams that broke with it', () => {
    const report = { stdin: 'failed' as const, error: new Error('broke off') };
    expect(end(terminated(137, 'OOMKilled'), report).detail).toMatch(/OOMKilled$/);
  });

  it('is judged by the last that was told: an eviction comes later than the end it caused', () => {
    const killed = seen(terminated(137, 'Error'), { phase: 'Running' });
    const evicted = seen(terminated(137, 'Error'), {
      phase: 'Failed',
      reason: 'Evicted',
      message: 'low on memory',
    });
    expect(ending([RUNNING, killed, evicted, output()]).detail).toBe(
      'Error running pod: container failed with exit code 137: Evicted: low on memory',
    );
  });

  it('because its pod is deleted has not ended by itself', () => {
    const metadata = { deletionTimestamp: '2026-01-01T00:00:00Z' };
    const killed = seen(terminated(143, 'Error'), { phase: 'Running' }, metadata);
    expect(ending([RUNNING, killed, output()])).toMatchObject({
      state: WorkState.Failed,
      reason: 'Deleted',
      detail: 'Error running pod: container failed with exit code 143: Deleted: the pod was deleted',
    });
  });

  it('or not, with a pod that is gone: Failed', () => {
    expect(ending([RUNNING, { type: 'gone' }, output()])).toMatchObject({
      state: WorkState.Failed,
      reason: 'Deleted',
      detail: 'Error running pod: pod n/p was deleted or lost before its worker had ended',
    });
  });
});

describe('whatever happens to a pod', () => {
  const states: fc.Arbitrary<ContainerState | undefined> = fc.oneof(
    fc.constant(undefined),
    fc.record({
      waiting: fc.record({
        reason: fc.constantFrom('ContainerCreating', 'ImagePullBackOff', 'ErrImagePull', ''),
      }),
    }),
    fc.constant({ running: {} }),
    fc.record({
      terminated: fc.record({
        exitCode: fc.constantFrom(0, 1, 137),
        reason: fc.constantFrom('Completed', 'Error', 'OOMKilled', ''),
      }),
    }),
  );
  const podEvents: fc.Arbitrary<LifecycleEvent> = fc
    .record({
      state: states,
      phase: fc.constantFrom('Pending', 'Running', 'Succeeded', 'Failed', 'Unknown', undefined),
      deleted: fc.boolean(),
      version: fc.nat(5),
    })
    .map(({ state, phase, deleted, version: resourceVersion }) =>
      seen(state, phase === undefined ? {} : { phase }, {
        resourceVersion: String(resourceVersion),
        ...(deleted ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
      }),
    );
  const events: fc.Arbitrary<LifecycleEvent> = fc.oneof(
    { weight: 6, arbitrary: podEvents },
    fc.constantFrom<LifecycleEvent>(
      { type: 'gone' },
      { type: 'timeout' },
      { type: 'stdinSent' },
      { type: 'warning', text: 'a warning' },
      { type: 'trouble', text: 'no answer' },
      { type: 'trouble', text: '' },
      { type: 'refused', text: 'forbidden' },
      output(),
      output({ error: new Error('broken') }),
      output({ stdin: 'failed' }),
    ),
  );
  const rules = fc.record({ hasStdin: fc.boolean(), failOnNonZeroExit: fc.boolean() });

  it('output is collected once at most, ended once collected, and finished once, last', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 30 }), rules, (story, given) => {
        const done = did(play(story, given).actions);
        for (const what of ['collect', 'started', 'finish'] as const)
          expect(done.filter((each) => each === what).length).toBeLessThanOrEqual(1);
        if (done.includes('finish')) expect(done.at(-1)).toBe('finish');
        const collect = done.indexOf('collect');
        for (const [at, what] of done.entries()) if (what === 'ended') expect(at).toBeGreaterThan(collect);
      }),
      { numRuns: 2000 },
    );
  });

  it('there is no state from which it cannot end', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 20 }), rules, (story, given) => {
        // What always comes in the end: the pod goes, and what was collected is at its end.
        const { life } = play([...story, { type: 'gone' }, output()], given);
        expect(life.phase).toBe('done');
      }),
      { numRuns: 2000 },
    );
  });

  it('a collector is always told of the end that lets it end', () => {
    fc.assert(
      fc.property(
        fc.array(
          events.filter(({ type }) => type !== 'output'),
          { maxLength: 20 },
        ),
        rules,
        (story, given) => {
          const { actions } = play([...story, { type: 'gone' }], given);
          const done = did(actions);
          if (done.includes('collect') && !done.includes('finish')) expect(done).toContain('ended');
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('is Succeeded only with an end that was seen, whole output and a payload that was not lost', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 30 }), rules, (story, given) => {
        let life: Lifecycle = newLifecycle();
        for (const event of story) {
          const next = step(life, event, { ...RULES, ...given });
          const last = next.actions.find((action) => action.do === 'finish');
          if (last?.do === 'finish' && last.ending.state === WorkState.Succeeded) {
            expect(life.end).toBeDefined();
            expect(event).toMatchObject({ type: 'output', report: { gaps: [] } });
            expect(last.ending.report?.error).toBeUndefined();
            expect(last.ending.report?.stdin).not.toBe('failed');
            expect(last.ending.exitCode).toBe(life.end?.exitCode);
          }
          life = next.life;
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('says something of every end, and nothing after it', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 30 }), rules, (story, given) => {
        const { actions, life } = play([...story, { type: 'gone' }, output()], given);
        const last = actions.at(-1);
        expect(last?.do === 'finish' && last.ending.detail).toBeTruthy();
        expect(step(life, RUNNING, { ...RULES, ...given }).actions).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });
});
