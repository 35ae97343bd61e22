import type { Logger } from '../../logger.js';
import type { ApiHabits } from './environment.js';
import type { KubernetesSettings } from './options.js';
import type { RateLimiter } from './rate-limit.js';

/** What the workers of one work type share. */
export interface KubernetesContext {
  settings: KubernetesSettings;
  nodeId: string;
  /** `KUBECONFIG`, `HOME`, `KUBERNETES_SERVICE_*`. */
  env: Readonly<Record<string, string | undefined>>;
  habits: ApiHabits;
  limiter: RateLimiter;
  log: Logger;
  /** Directory of the service account's files; default: where Kubernetes puts them. */
  serviceAccount?: string;
}
