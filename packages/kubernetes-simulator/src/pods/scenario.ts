import type { Pod } from '../objects.js';

/** Misfortunes that a pod meets. They are played in this order, each that is set. */
export interface Scenario {
  /** Its creation is refused with 403, naming this quota. */
  quotaExceeded?: string;
  /** No node is found, for this reason, until `proceed`. */
  unschedulable?: string;
  /** Its images cannot be pulled: ErrImagePull, then ImagePullBackOff, and again, until `proceed`. */
  imagePullFails?: boolean;
  /** Its containers wait for this reason (CreateContainerConfigError …), until `proceed`. */
  waiting?: { reason: string; message?: string };
  /** Milliseconds before its containers start. */
  startAfterMs?: number;
  /** Milliseconds after the start, at which it is evicted, killed for memory, or its node is lost. */
  evictAfterMs?: number;
  oomKillAfterMs?: number;
  loseNodeAfterMs?: number;
}

/** The annotation that gives a pod its scenario: a word of {@link SCENARIOS}, or a {@link Scenario} as JSON. */
export const SCENARIO_ANNOTATION = 'kubernetes-simulator/scenario';

/** The scenarios that have a name. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'quota-exceeded': { quotaExceeded: 'quota' },
  unschedulable: { unschedulable: '0/1 nodes are available: 1 Insufficient cpu.' },
  'image-pull-fails': { imagePullFails: true },
  'config-error': {
    waiting: { reason: 'CreateContainerConfigError', message: 'secret "missing" not found' },
  },
  evicted: { evictAfterMs: 0 },
  'oom-killed': { oomKillAfterMs: 0 },
  'node-lost': { loseNodeAfterMs: 0 },
};

/** What a pod's annotation and images say of its fate. @throws Error for an annotation that cannot be read. */
export const scenarioOf = (pod: Pod): Scenario => {
  const text = pod.metadata.annotations?.[SCENARIO_ANNOTATION];
  const scenario = text === undefined ? {} : named(text);
  // As in real life, nothing is found below the domain that RFC 2606 keeps free.
  const missing = pod.spec.containers.some(({ image }) => /^[^/]*\.invalid\//.test(image));
  return missing ? { imagePullFails: true, ...scenario } : scenario;
};

const named = (text: string): Scenario => {
  const scenario = SCENARIOS[text];
  if (scenario) return scenario;
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) return parsed as Scenario;
  } catch {
    // Told below.
  }
  throw new Error(
    `annotation ${SCENARIO_ANNOTATION}: ${JSON.stringify(text)} is neither JSON nor one of ${Object.keys(SCENARIOS).join(', ')}`,
  );
};
