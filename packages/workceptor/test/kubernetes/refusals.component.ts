import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { KubernetesWorkTypeOptions } from '../../src/index.js';
import { useBench } from '../support/kubernetes.js';
import { chunks, completed } from '../support/node.js';

const bench = useBench({ namespaces: ['normal', 'errimg'] });

/** What the Go daemon refused, and in which words: at the submit (`error`), or as the unit's Detail. */
interface Refusal {
  name: string;
  worktype: string;
  parameters: Record<string, string>;
  error: string | null;
  detail: string | null;
}
const refusals = JSON.parse(
  readFileSync(new URL('../vectors/kube-refusals.json', import.meta.url), 'utf8'),
) as Refusal[];

/** The work types of the recorded runs. */
const all = { allowRuntimeAuth: true, allowRuntimeParams: true, allowRuntimePod: true };
const none = {
  allowRuntimeAuth: false,
  allowRuntimeCommand: false,
  allowRuntimeParams: false,
  allowRuntimePod: false,
};
const WORK_TYPES: Record<string, Partial<KubernetesWorkTypeOptions>> = {
  kubeit: { ...all, allowRuntimeCommand: false },
  inc: { ...none, authMethod: 'incluster', image: 'img:1', namespace: 'normal' },
  locked: { ...none, image: 'img:1', namespace: 'normal' },
  rt: { ...all, authMethod: 'runtime', image: 'img:1', namespace: 'normal' },
};

/** Where the words of the Go daemon say less than can be said, or are those of its YAML reader. */
const OTHER_WORDS: Record<string, RegExp> = {
  'could not determine namespace': /^could not determine namespace/,
  'yaml: line 1: did not find expected node content': /^yaml: line 1: /,
  'Error creating pod: at least one container must be named worker':
    /^Error creating pod: (at least one container must be named worker|the pod must be of kind Pod in v1, not Deployment in apps\/v1)$/,
};

function words(said: string): RegExp {
  if (said.includes("couldn't get version/kind")) return /^Error creating pod: couldn't get version\/kind; /;
  if (said.includes('did not return an event'))
    return /^Error creating pod: timed out waiting for the condition/;
  const other = OTHER_WORDS[said.replace(/^Error starting worker: /, '')];
  return other ?? new RegExp(`^${said.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')}$`);
}

describe('what the Go daemon refuses is refused in its words', () => {
  it.each(refusals)('$name', async ({ worktype, parameters, error, detail }) => {
    const node = await bench.open({ ...WORK_TYPES[worktype], env: { RECEPTOR_KUBE_TIMEOUT_START: '5ms' } });
    const given = { ...parameters };
    // In those runs a cluster was there, in these it is the simulator.
    if (given.secret_kube_config?.includes('127.0.0.1'))
      given.secret_kube_config = bench.cluster.kubeconfig();
    const replies: string[] = [];
    let id = '';
    try {
      const submission = await node.allocate({ workType: 'kubeit', parameters: given, origin: 'unix' });
      id = submission.id;
      await submission.receive(chunks(''));
      await submission.start();
    } catch (refusal) {
      replies.push((refusal as Error).message);
    }
    if (error !== null) expect(replies[0]).toMatch(words(error));
    else expect(replies).toEqual([]);
    // No unit is left of a submit whose parameters are refused; one that could not be started is there.
    expect(id === '').toBe(detail === null);
    if (detail === null) return;
    const report = await completed(node, id);
    expect(report.StateName).toBe('Failed');
    if (!detail.startsWith('Error starting worker')) expect(report.Detail).toMatch(words(detail));
    else expect(report.Detail).toBe(`Error starting worker: ${replies[0]}`);
  });
});
