import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { checkKubernetesOptions } from '../../src/workers/kubernetes/options.js';
import { readParameters } from '../../src/workers/kubernetes/parameters.js';
import { buildPod, labelValue, type PodSource, podName } from '../../src/workers/kubernetes/pod.js';

const vectors = <T>(name: string): T[] =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8')) as T[];

const source: PodSource = {
  image: '',
  command: '',
  params: '',
  document: '',
  namespace: 'normal',
  workType: 'kubeit',
  nodeId: 'foo',
  unitId: 'AbCd1234',
};
const LABELS = { 'receptor/node': 'foo', 'receptor/worktype': 'kubeit', 'receptor/unit': 'AbCd1234' };
const pod = (document: unknown, more: Partial<PodSource> = {}) =>
  buildPod({ ...source, ...more, document: typeof document === 'string' ? document : stringify(document) });
const minimal = (metadata: object = {}, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata,
  spec: { containers: [{ name: 'worker', image: 'x' }], ...spec },
});

/** What the Go daemon adds to a pod that means nothing. */
const VOID: Record<string, unknown> = { creationTimestamp: null, resources: {}, status: {} };
function withoutVoid(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutVoid);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(
    ([key, each]) => JSON.stringify(each) !== JSON.stringify(VOID[key]),
  );
  return Object.fromEntries(kept.map(([key, each]) => [key, withoutVoid(each)]));
}

interface PodVector {
  name: string;
  worktype: string;
  parameters: Record<string, string>;
  /** That of the kubeconfig's context, or of the work type. */
  namespace: string;
  pod: { metadata: { generateName: string; labels?: Record<string, string> } };
}

/** The work types of the recorded runs. */
const workType = (name: string) =>
  checkKubernetesOptions({
    workType: name,
    authMethod: 'kubeconfig',
    allowRuntimeAuth: true,
    allowRuntimeCommand: true,
    allowRuntimeParams: true,
    allowRuntimePod: true,
    ...(name === 'KubeImg' ? { image: 'img:1', command: 'sh -c', params: "'echo hi' base" } : {}),
    ...(['locked', 'tcpw'].includes(name) ? { image: 'img:1' } : {}),
  });
describe('buildPod makes the pod of the Go daemon', () => {
  const usable = vectors<PodVector>('kube-pods').filter(
    ({ worktype }) => worktype !== 'podfile' && worktype !== 'tcpw',
  );
  it.each(usable)('$name', async ({ worktype, parameters, namespace, pod: expected }) => {
    const extra = await readParameters(workType(worktype), parameters, 'unix');
    const made = buildPod({
      ...source,
      image: extra.Image,
      command: extra.Command,
      params: extra.Params,
      document: extra.KubePod,
      namespace: extra.KubeNamespace || namespace,
      workType: worktype,
    });
    const { labels, generateName, ...metadata } = made.metadata ?? {};
    const { labels: goLabels = {}, generateName: goName, ...goMetadata } = expected.metadata;
    // What it does not know the API server drops, as the Go daemon does.
    if (made.spec) delete made.spec.bogusField;
    expect({ ...made, metadata }).toEqual(withoutVoid({ ...expected, metadata: goMetadata }));
    // Ours are labelled, and keep the `generateName` of their document, which the Go daemon replaces.
    expect(labels).toEqual({ ...goLabels, ...LABELS, 'receptor/worktype': worktype });
    const own = /^ *generateName: (\S+)/m.exec(extra.KubePod)?.[1];
    expect(generateName).toBe(own ?? goName);
  });
});

describe('buildPod', () => {
  it.each([
    ['a name, which becomes a prefix', { name: 'mine' }, 'mine-'],
    ['a generateName', { generateName: 'gen-' }, 'gen-'],
    ['both: the name is the one', { name: 'mine', generateName: 'gen-' }, 'mine-'],
    ['neither: the work type is the prefix', {}, 'kubeit-'],
  ])('takes from the metadata %s', (_, metadata, prefix) => {
    const made = pod(minimal(metadata));
    expect(made.metadata?.generateName).toBe(prefix);
    expect(made.metadata).not.toHaveProperty('name');
  });

  it.each([
    ['KubeIt', 'kubeit-'],
    ['my type', 'my-type-'],
    ['_x_', 'x--'],
    ['ä', 'receptor-'],
  ])('makes a DNS name of the work type %s', (workTypeName, prefix) => {
    expect(pod(minimal(), { workType: workTypeName }).metadata?.generateName).toBe(prefix);
  });

  it('lets the namespace of the document go before all others', () => {
    expect(pod(minimal({ namespace: 'own' })).metadata?.namespace).toBe('own');
    expect(pod(minimal()).metadata?.namespace).toBe('normal');
  });

  it('keeps metadata and spec of the document, unknown fields too, but for what makes it a unit; and no status', () => {
    const spec = { nodeSelector: { a: 'b' }, restartPolicy: 'Always', strange: [1, { b: null }] };
    const document = minimal(
      { labels: { app: 'x', 'receptor/unit': 'forged' }, annotations: { note: 'kept' } },
      spec,
    );
    const made = pod({ ...document, status: { phase: 'Running' } });
    expect(made).not.toHaveProperty('status');
    expect(made).toMatchObject({
      metadata: { labels: { app: 'x', ...LABELS }, annotations: { note: 'kept' } },
      spec: { nodeSelector: { a: 'b' }, restartPolicy: 'Never', strange: [1, { b: null }] },
    });
  });

  it('gives the first container named worker an open stdin, and leaves the others alone', () => {
    const containers = [
      { name: 'side', image: 'x', stdin: false },
      { name: 'worker', image: 'x', stdin: false, tty: false },
      { name: 'worker', image: 'z' },
    ];
    expect(pod(minimal({}, { containers })).spec?.containers).toEqual([
      containers[0],
      { ...containers[1], stdin: true, stdinOnce: true },
      containers[2],
    ]);
  });

  it('adds environment to the worker, instead of members of that name', () => {
    const env = [
      { name: 'KEPT', value: '1' },
      { name: 'RECEPTOR_HOST', value: 'old' },
    ];
    const containers = [
      { name: 'side', image: 'x' },
      { name: 'worker', image: 'x', env },
    ];
    const made = pod(minimal({}, { containers }), {
      environment: { RECEPTOR_HOST: 'h', RECEPTOR_PORT: '1' },
    });
    expect(made.spec?.containers).toMatchObject([
      { name: 'side' },
      { env: [env[0], { name: 'RECEPTOR_HOST', value: 'h' }, { name: 'RECEPTOR_PORT', value: '1' }] },
    ]);
    expect(made.spec?.containers?.[0]).not.toHaveProperty('env');
  });

  it('reads JSON, YAML 1.1, and the first document of several', () => {
    expect(pod(JSON.stringify(minimal({ name: 'j' }))).metadata?.generateName).toBe('j-');
    expect(pod(`${stringify(minimal({ name: 'first' }))}---\nkind: Job\n`).metadata?.generateName).toBe(
      'first-',
    );
    const yes = pod(
      'apiVersion: v1\nkind: Pod\nspec: {hostNetwork: yes, mode: 0644, containers: [{name: worker}]}',
    );
    expect(yes.spec).toMatchObject({ hostNetwork: true, mode: 0o644 });
  });

  it('does not copy what one alias would blow up', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefghi'
        .split('')
        .map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghi'[i]}`).join(',')}]`),
    ];
    expect(() => pod(`apiVersion: v1\nkind: Pod\n${bomb.join('\n')}`)).toThrow(
      /couldn't get version\/kind; yaml: /,
    );
  });

  it('refuses no text with anything but an error that says why', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((text) => `apiVersion: v1\nkind: Pod\nspec: ${text}`),
        ),
        (document) => {
          try {
            const made = pod(document === '' ? ' ' : document);
            expect(made.spec?.containers?.some(({ name }) => name === 'worker')).toBe(true);
          } catch (error) {
            expect(error).toMatchObject({ code: 'RECEPTOR_WORK_START_FAILED' });
            expect((error as Error).message).not.toBe('');
          }
        },
      ),
    );
  });
});

describe('labelValue', () => {
  const VALID = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

  it('makes a label of any text, and leaves what is one as it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 200 })), (text) => {
        const value = labelValue(text);
        expect(value).toMatch(VALID);
        expect(value.length).toBeLessThanOrEqual(63);
        if (text !== '' && text.length <= 63 && VALID.test(text)) expect(value).toBe(text);
      }),
    );
  });

  it('keeps different texts different', () => {
    const texts = ['a b', 'a-b', 'a_b', 'a  b', 'a/b', '-a', '_a', 'x'.repeat(64), 'x'.repeat(65)];
    expect(new Set(texts.map(labelValue)).size).toBe(texts.length);
  });
});

describe('podName', () => {
  it('ends a prefix with five letters, and is no longer than a name may be', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z][a-z0-9-]{0,100}$/), (prefix) => {
        const name = podName(prefix);
        expect(name.slice(0, -5)).toBe(prefix.slice(0, 58));
        expect(name.slice(-5)).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{5}$/);
      }),
    );
  });
});
