import type { KubeObject } from './objects.js';
import { badRequest } from './status.js';

type Test = (object: KubeObject) => boolean;

/** Fields by which Kubernetes lets pods and events be selected. */
const FIELDS = {
  pods: [
    'metadata.name',
    'metadata.namespace',
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'status.phase',
    'status.podIP',
  ],
  events: [
    'metadata.name',
    'metadata.namespace',
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.fieldPath',
    'reason',
    'type',
  ],
};

const field = (object: unknown, path: string): unknown => {
  let value = object;
  for (const name of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[name];
  return value ?? '';
};

/** Reads a `fieldSelector`. @throws Refusal 400 for one that Kubernetes does not know. */
export const fieldSelector = (kind: 'pods' | 'events', text: string): Test => {
  const tests = split(text).map((term): Test => {
    const [, name = '', operator = '', value = ''] = /^([^=!]+)(!=|==|=)(.*)$/.exec(term) ?? [];
    if (operator === '') throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
    if (!FIELDS[kind].includes(name)) throw badRequest(`field label not supported: ${name}`);
    return (object) => (field(object, name) === value) === (operator !== '!=');
  });
  return (object) => tests.every((test) => test(object));
};

/** Reads a `labelSelector`. @throws Refusal 400 for one that cannot be read. */
export const labelSelector = (text: string): Test => {
  const tests = split(text).map(labelTerm);
  return (object) => tests.every((test) => test(object));
};

/** Splits at commas outside of parentheses. */
const split = (text: string): string[] => text.split(/,(?![^(]*\))/).filter((term) => term.trim() !== '');

const labelTerm = (term: string): Test => {
  const key = '([A-Za-z0-9][-A-Za-z0-9_./]*)';
  const set = new RegExp(`^\\s*${key}\\s+(in|notin)\\s+\\(([^)]*)\\)\\s*$`).exec(term);
  if (set) {
    const values = (set[3] ?? '').split(',').map((value) => value.trim());
    return (object) => values.includes(label(object, set[1]) ?? '\0') === (set[2] === 'in');
  }
  const equal = new RegExp(`^\\s*${key}\\s*(==|=|!=)\\s*([-A-Za-z0-9_.]*)\\s*$`).exec(term);
  if (equal) return (object) => (label(object, equal[1]) === equal[3]) === (equal[2] !== '!=');
  const exists = new RegExp(`^\\s*(!?)\\s*${key}\\s*$`).exec(term);
  if (exists) return (object) => (label(object, exists[2]) !== undefined) === (exists[1] === '');
  throw badRequest(`unable to parse requirement: found '${term}', expected: a label requirement`);
};

const label = (object: KubeObject, key: string | undefined) => object.metadata.labels?.[key ?? ''];
