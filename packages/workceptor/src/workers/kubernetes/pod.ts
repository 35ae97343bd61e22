import { createHash, randomInt } from 'node:crypto';
import { ReceptorError } from '@receptor/protocol';
import { shellSplit } from '../../shell-split.js';
import type { Container, Pod, PodSpec } from './objects.js';
import { readYaml } from './yaml.js';

/** The container that gets the payload and whose output counts. */
export const WORKER = 'worker';

/** Labels of every pod made here. */
export const NODE_LABEL = 'receptor/node';
export const UNIT_LABEL = 'receptor/unit';
export const WORK_TYPE_LABEL = 'receptor/worktype';

/** What a pod is made from. */
export interface PodSource {
  image: string;
  command: string;
  params: string;
  /** Text of a pod's document; empty to make the pod from the image. */
  document: string;
  /** The unit's namespace; a document may name another one. */
  namespace: string;
  workType: string;
  nodeId: string;
  unitId: string;
  /** Environment to add to the worker; replaces members of the same name only. */
  environment?: Readonly<Record<string, string>>;
}

const invalid = (message: string): ReceptorError => new ReceptorError('RECEPTOR_WORK_START_FAILED', message);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A text as a label's value: as it is where that is allowed, else what remains of it and a piece of its hash. */
export function labelValue(text: string): string {
  if (/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(text)) return text;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 10);
  const rest = text.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  return rest === '' ? hash : `${rest.slice(0, 50)}.${hash}`;
}

/** The labels by which pods of a node's units are known. */
function podLabels(nodeId: string, workType: string, unitId: string): Record<string, string> {
  return {
    [NODE_LABEL]: labelValue(nodeId),
    [WORK_TYPE_LABEL]: labelValue(workType),
    [UNIT_LABEL]: labelValue(unitId),
  };
}

/** The first document of a text, which must be a v1 Pod. */
function readDocument(text: string): Record<string, unknown> {
  const reading = readYaml(text);
  if ('error' in reading) throw invalid(`couldn't get version/kind; ${reading.error}`);
  const pod = reading.value;
  if (!isObject(pod)) throw invalid("couldn't get version/kind; the pod is not an object");
  const { apiVersion, kind } = pod;
  if (typeof kind !== 'string' || kind === '') throw invalid("Object 'Kind' is missing in the pod");
  if (apiVersion !== 'v1' || kind !== 'Pod') {
    throw invalid(`the pod must be of kind Pod in v1, not ${kind} in ${String(apiVersion)}`);
  }
  return pod;
}

function fromDocument(source: PodSource): Pod {
  const document = readDocument(source.document);
  const metadata = document.metadata ?? {};
  const spec = document.spec ?? {};
  if (!isObject(metadata)) throw invalid('metadata of the pod is not an object');
  if (!isObject(spec)) throw invalid('spec of the pod is not an object');
  if (spec.containers !== undefined && !Array.isArray(spec.containers)) {
    throw invalid('spec.containers of the pod is not a list');
  }
  const text = (member: 'name' | 'generateName' | 'namespace'): string => {
    const value = metadata[member];
    if (value === undefined || value === null) return '';
    if (typeof value !== 'string') throw invalid(`metadata.${member} of the pod is not a string`);
    return value;
  };
  const name = text('name');
  const labels = isObject(metadata.labels) ? (metadata.labels as Record<string, string>) : {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...metadata,
      name: '',
      generateName: name === '' ? text('generateName') || prefix(source.workType) : `${name}-`,
      namespace: text('namespace') || source.namespace,
      labels,
    },
    spec: spec as PodSpec,
  };
}

function fromImage(source: PodSource): Pod {
  const command = shellSplit(source.command);
  const args = shellSplit(source.params);
  const worker: Container = {
    name: WORKER,
    image: source.image,
    ...(command.length > 0 ? { command } : {}),
    ...(args.length > 0 ? { args } : {}),
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: prefix(source.workType), namespace: source.namespace },
    spec: { containers: [worker] },
  };
}

/** A pod's name must be a DNS name; a work type may be any text. */
function prefix(workType: string): string {
  const plain = workType
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '');
  return `${plain || 'receptor'}-`;
}

/**
 * Makes the pod of a unit (reference: kubernetes, 4): from its document, or from image, command and params. The
 * worker gets an open stdin, the pod is never restarted, and carries labels for node, work type and unit.
 *
 * Of the document, `namespace` and `generateName` are honoured; a plain `name` N becomes the prefix `N-`, as with
 * the Go daemon, so that the same document can be submitted twice.
 * @returns the pod, with `generateName` but without a name: see {@link podName}
 * @throws ReceptorError `RECEPTOR_WORK_START_FAILED`, `RECEPTOR_PARAMETER_INVALID` (quotes in command or params)
 */
export function buildPod(source: PodSource): Pod {
  const pod = source.document === '' ? fromImage(source) : fromDocument(source);
  const containers = pod.spec?.containers ?? [];
  const found = containers.findIndex((each) => isObject(each) && each.name === WORKER);
  const worker = containers[found];
  if (!worker) throw invalid('at least one container must be named worker');
  const environment = Object.entries(source.environment ?? {});
  const ready: Container = { ...worker, stdin: true, stdinOnce: true };
  if (environment.length > 0) {
    const own = Array.isArray(worker.env) ? (worker.env as { name?: unknown }[]) : [];
    const kept = own.filter((each) => !environment.some(([name]) => each?.name === name));
    ready.env = [...kept, ...environment.map(([name, value]) => ({ name, value }))];
  }
  const { name: _, ...metadata } = pod.metadata ?? {};
  return {
    ...pod,
    metadata: {
      ...metadata,
      labels: { ...metadata.labels, ...podLabels(source.nodeId, source.workType, source.unitId) },
    },
    spec: { ...pod.spec, containers: containers.with(found, ready), restartPolicy: 'Never' },
  };
}

/** The letters and the number of them that Kubernetes itself ends generated names with. */
const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';
const SUFFIX_LENGTH = 5;
const LONGEST_NAME = 63;

/**
 * A name made from a `generateName`, as Kubernetes makes them. It is made here because a pod whose name is known
 * before it is created is created once, however often that has to be tried.
 */
export function podName(generateName: string): string {
  let suffix = '';
  for (let i = 0; i < SUFFIX_LENGTH; i++) suffix += SUFFIX_LETTERS.charAt(randomInt(SUFFIX_LETTERS.length));
  return `${generateName.slice(0, LONGEST_NAME - SUFFIX_LENGTH)}${suffix}`;
}
