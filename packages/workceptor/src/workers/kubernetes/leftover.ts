import { errorText } from '../../error-text.js';
import { ApiError } from './api.js';
import { backoffMs, pause } from './backoff.js';
import type { KubernetesClient } from './client.js';
import { connect } from './connection.js';
import type { KubernetesContext } from './context.js';
import { type KubernetesExtraData, readExtraData } from './extra-data.js';
import { labelValue } from './pod.js';
import { removePod } from './remove-pod.js';

/** A pod that has to go, with what it takes to reach its cluster. Secret, as the kubeconfig is. */
export interface Leftover
  extends Pick<
    KubernetesExtraData,
    'PodName' | 'PodUID' | 'KubeNamespace' | 'KubeConfig' | 'KubeConfigDirectory'
  > {
  Unit: string;
  /** Whether a Go daemon made it. */
  Foreign?: boolean;
}

/** The longest between two tries, and what they begin with. */
const LONGEST_WAIT_MS = 60_000;
const FIRST_WAIT_MS = 500;

/** What is left of a unit; undefined where it has no pod. */
export function leftoverOf(unit: string, extra: KubernetesExtraData, foreign: boolean): Leftover | undefined {
  const { PodName, PodUID, KubeNamespace, KubeConfig, KubeConfigDirectory } = extra;
  if (PodName === '') return undefined;
  const from = KubeConfigDirectory === undefined ? {} : { KubeConfigDirectory };
  return {
    Unit: unit,
    PodName,
    PodUID,
    KubeNamespace,
    KubeConfig,
    ...from,
    ...(foreign ? { Foreign: true } : {}),
  };
}

/** How patiently a pod is deleted. */
export interface Patience {
  signal: AbortSignal;
  /** How often a refusal is borne; silence is borne until the signal ends it. */
  refusals: number;
  /** A client to use; without, each try makes its own, with what the kubeconfig's files say then. */
  client?: KubernetesClient | undefined;
}

/**
 * Deletes a unit's pod, and tries again where the API does not answer or, as often as is said, refuses.
 * @returns undefined when the pod is gone; otherwise why it is not
 */
export async function deletePod(
  context: KubernetesContext,
  leftover: Leftover,
  { signal, refusals, client: given }: Patience,
): Promise<string | undefined> {
  const { PodName: name, PodUID: uid, Unit: unit, Foreign: foreign } = leftover;
  let text = 'there was no time';
  let refused = 0;
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      const client = given ?? (await connect(context, leftover));
      try {
        const namespace = leftover.KubeNamespace || client.defaultNamespace;
        await removePod(client, { namespace, name, uid, foreign, unit: labelValue(unit) }, signal);
        return undefined;
      } finally {
        if (!given) client.close();
      }
    } catch (error) {
      if (signal.aborted) break;
      text = errorText(error);
      const transient = error instanceof ApiError && error.transient;
      if (!transient) refused += 1;
      if (refused >= refusals) break;
      const asked = error instanceof ApiError ? error.retryAfterMs : undefined;
      const wait = asked ?? Math.min(backoffMs(failures, FIRST_WAIT_MS), LONGEST_WAIT_MS);
      await pause(wait, signal).catch(() => undefined);
    }
  }
  return text;
}

/** Bears as many refusals as somebody may need to see to them; what is refused longer is given up. */
const REFUSALS = 10;

/** Deletes a pod that was left, however long the API is away; the log tells how it went. */
export async function freePod(
  context: KubernetesContext,
  remembered: unknown,
  signal: AbortSignal,
): Promise<void> {
  const leftover = { Unit: '', ...readExtraData(remembered), ...(remembered as object) } as Leftover;
  const pod = `${leftover.KubeNamespace}/${leftover.PodName}`;
  const why = await deletePod(context, leftover, { signal, refusals: REFUSALS });
  if (signal.aborted) return;
  if (why === undefined) context.log.info(`Deleted pod ${pod}, which unit ${leftover.Unit} had left`);
  else
    context.log.error(
      `Error deleting pod ${pod} of unit ${leftover.Unit}: ${why}. It stays; delete it by hand`,
    );
}
