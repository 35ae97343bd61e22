import { randomInt, randomUUID } from 'node:crypto';
import { type ContainerSpec, kubeTime, type Pod } from '../objects.js';
import { badRequest, type FieldError, invalid } from '../status.js';

type Json = Record<string, unknown>;

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN_TEXT =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_TEXT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const POLICIES = ['Always', 'OnFailure', 'Never'];
const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/** Turns the body of a create request into a pod: checked, named, with defaults. @throws Refusal */
export const admitPod = (text: string, namespace: string): Pod => {
  const body = parse(text);
  const metadata = object(body.metadata, 'ObjectMeta', 'metadata');
  const spec = object(body.spec, 'PodSpec', 'spec');
  stringMap(metadata.labels, 'ObjectMeta.metadata.labels');
  stringMap(metadata.annotations, 'ObjectMeta.metadata.annotations');
  const asked = string(metadata.namespace, 'ObjectMeta.metadata.namespace') ?? '';
  if (asked !== '' && asked !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  const generateName = string(metadata.generateName, 'ObjectMeta.metadata.generateName') ?? '';
  const given = string(metadata.name, 'ObjectMeta.metadata.name') ?? '';
  const name = given !== '' ? given : generateName === '' ? '' : generateName.slice(0, 58) + suffix();
  const containers = containerList(spec.containers, 'containers');
  const initContainers = containerList(spec.initContainers, 'initContainers');
  const errors = [
    ...nameErrors(name),
    ...containerErrors(containers, 'spec.containers', true),
    ...containerErrors(initContainers, 'spec.initContainers', false),
    ...policyErrors(spec.restartPolicy),
  ];
  if (errors.length > 0) throw invalid('Pod', name, errors);
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      ...metadata,
      name,
      namespace,
      uid: randomUUID(),
      resourceVersion: '',
      generation: 1,
      creationTimestamp: kubeTime(Date.now()),
    },
    spec: {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      serviceAccountName: 'default',
      serviceAccount: 'default',
      securityContext: {},
      schedulerName: 'default-scheduler',
      enableServiceLinks: true,
      preemptionPolicy: 'PreemptLowerPriority',
      priority: 0,
      ...spec,
      containers: containers.map(withDefaults),
      ...(initContainers.length > 0 ? { initContainers: initContainers.map(withDefaults) } : {}),
    },
    status: { phase: 'Pending', qosClass: 'BestEffort' },
  };
};

const parse = (text: string): Json => {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw unrecognized(text, (error as Error).message);
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw unrecognized(
      text,
      `json: cannot unmarshal ${jsonType(body)} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
    );
  const { kind = 'Pod', apiVersion = 'v1' } = body as Json;
  if (kind !== 'Pod')
    throw badRequest(
      `${kind} in version "v1" cannot be handled as a Pod: converting (v1.${kind}) to (core.Pod): unknown conversion`,
    );
  if (apiVersion !== 'v1')
    throw badRequest(
      `Pod in version "${apiVersion}" cannot be handled as a Pod: no kind "Pod" is registered for version "${apiVersion}" in scheme "pkg/runtime/scheme.go:110"`,
    );
  return body as Json;
};

const unrecognized = (text: string, why: string) =>
  badRequest(
    `the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: ${why} (${text.slice(0, 200)})`,
  );

const jsonType = (value: unknown): string =>
  value === null
    ? 'null'
    : Array.isArray(value)
      ? 'array'
      : typeof value === 'boolean'
        ? 'bool'
        : typeof value;

const mismatch = (value: unknown, field: string, type: string) =>
  badRequest(
    `Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal ${jsonType(value)} into Go struct field ${field} of type ${type}`,
  );

const object = (value: unknown, type: string, field: string): Json => {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw mismatch(value, `Pod.${field}`, `v1.${type}`);
  return value as Json;
};

const string = (value: unknown, field: string): string | undefined => {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw mismatch(value, field, 'string');
  return value;
};

const strings = (value: unknown, field: string): void => {
  if (value === undefined || value === null) return;
  if (!Array.isArray(value)) throw mismatch(value, field, '[]string');
  for (const item of value) string(item, field);
};

const boolean = (value: unknown, field: string): void => {
  if (value !== undefined && value !== null && typeof value !== 'boolean')
    throw mismatch(value, field, 'bool');
};

const stringMap = (value: unknown, field: string): void => {
  if (value === undefined || value === null) return;
  if (typeof value !== 'object' || Array.isArray(value)) throw mismatch(value, field, 'map[string]string');
  for (const item of Object.values(value)) string(item, field);
};

const containerList = (value: unknown, list: string): ContainerSpec[] => {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw mismatch(value, `PodSpec.spec.${list}`, '[]v1.Container');
  return value.map((item: unknown) => {
    const container = object(item, 'Container', `spec.${list}`);
    const at = `Container.spec.${list}`;
    for (const field of ['name', 'image', 'workingDir', 'terminationMessagePath', 'terminationMessagePolicy'])
      string(container[field], `${at}.${field}`);
    for (const field of ['command', 'args']) strings(container[field], `${at}.${field}`);
    for (const field of ['stdin', 'stdinOnce']) boolean(container[field], `${at}.${field}`);
    if (container.env !== undefined && container.env !== null) {
      if (!Array.isArray(container.env)) throw mismatch(container.env, `${at}.env`, '[]v1.EnvVar');
      for (const variable of container.env) {
        const { name, value: text } = object(variable, 'EnvVar', `spec.${list}.env`);
        string(name, `${at}.env.name`);
        string(text, `${at}.env.value`);
      }
    }
    return { ...container, name: container.name ?? '', image: container.image ?? '' } as ContainerSpec;
  });
};

const withDefaults = (container: ContainerSpec): ContainerSpec => ({
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
  imagePullPolicy: /(:latest|^[^:]*)$/.test(container.image.split('/').at(-1) ?? '')
    ? 'Always'
    : 'IfNotPresent',
  resources: {},
  ...container,
});

const required = (field: string, message = 'Required value'): FieldError => ({
  field,
  reason: 'FieldValueRequired',
  message,
});

const nameErrors = (name: string): FieldError[] => {
  if (name === '') return [required('metadata.name', 'Required value: name or generateName is required')];
  if (name.length <= 253 && SUBDOMAIN.test(name)) return [];
  return [
    {
      field: 'metadata.name',
      reason: 'FieldValueInvalid',
      message: `Invalid value: "${name}": ${name.length > 253 ? 'must be no more than 253 bytes' : SUBDOMAIN_TEXT}`,
    },
  ];
};

const containerErrors = (containers: ContainerSpec[], field: string, needed: boolean): FieldError[] => {
  if (containers.length === 0) return needed ? [required(field)] : [];
  const seen = new Set<string>();
  return containers.flatMap(({ name, image }, index): FieldError[] => {
    const errors: FieldError[] = [];
    const at = `${field}[${index}]`;
    if (name === '') errors.push(required(`${at}.name`));
    else if (name.length > 63 || !LABEL.test(name))
      errors.push({
        field: `${at}.name`,
        reason: 'FieldValueInvalid',
        message: `Invalid value: "${name}": ${LABEL_TEXT}`,
      });
    else if (seen.has(name))
      errors.push({
        field: `${at}.name`,
        reason: 'FieldValueDuplicate',
        message: `Duplicate value: "${name}"`,
      });
    if (image === '') errors.push(required(`${at}.image`));
    seen.add(name);
    return errors;
  });
};

const policyErrors = (policy: unknown): FieldError[] =>
  policy === undefined || POLICIES.includes(policy as string)
    ? []
    : [
        {
          field: 'spec.restartPolicy',
          reason: 'FieldValueNotSupported',
          message: `Unsupported value: "${policy}": supported values: "Always", "OnFailure", "Never"`,
        },
      ];

const suffix = (): string =>
  Array.from({ length: 5 }, () => SUFFIX_LETTERS[randomInt(SUFFIX_LETTERS.length)]).join('');
