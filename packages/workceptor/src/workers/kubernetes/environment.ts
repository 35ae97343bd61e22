import { parseDurationMs } from '@receptor/protocol';
import type { Logger } from '../../logger.js';
import { alwaysLimiter, neverLimiter, type RateLimiter, tokenBucket } from './rate-limit.js';

/** What the daemon's environment says about its use of the Kubernetes API (reference: kubernetes, 3.1). */
export interface ApiHabits {
  /** A limiter for one client. */
  limiter(): RateLimiter;
  /** How often something that failed for a passing reason is tried in all. */
  tries: number;
  /** Milliseconds until the second try; later ones wait longer. */
  firstWaitMs: number;
}

const MAX_TRIES = 100;
const MAX_FIRST_WAIT_MS = 60_000;

/** Reads the `RECEPTOR_KUBE_*` variables. Values that are none are ignored, with a warning. */
export function apiHabits(env: Readonly<Record<string, string | undefined>>, log: Logger): ApiHabits {
  function read<T>(name: string, fallback: T, parse: (value: string) => T | undefined): T {
    const value = env[name];
    if (value === undefined || value === '') return fallback;
    const parsed = parse(value);
    if (parsed !== undefined) return parsed;
    log.warning(`Invalid value for ${name}: ${value}. Ignoring`);
    return fallback;
  }
  const integer = (value: string): number | undefined =>
    /^[+-]?\d{1,9}$/.test(value) ? Number(value) : undefined;
  const within = (low: number, high: number) => (value: number | undefined) =>
    value !== undefined && value >= low && value <= high ? value : undefined;

  const qps = read('RECEPTOR_KUBE_CLIENTSET_QPS', 100, integer);
  const burst = read('RECEPTOR_KUBE_CLIENTSET_BURST', qps * 10, integer);
  const kind = read('RECEPTOR_KUBE_CLIENTSET_RATE_LIMITER', 'tokenbucket', (value) =>
    ['never', 'always', 'tokenbucket'].includes(value) ? value : undefined,
  );
  // Reading goes on after a broken connection whatever the setting; it is only checked.
  read('RECEPTOR_KUBE_SUPPORT_RECONNECT', '', (value) =>
    ['enabled', 'disabled', 'auto'].includes(value) ? value : undefined,
  );
  const tries = read('RECEPTOR_KUBE_RETRY_COUNT', 5, (value) => within(1, MAX_TRIES)(integer(value)));
  const firstWaitMs = read('RECEPTOR_KUBE_TIMEOUT_START', 1000, (value) => {
    try {
      return within(1, MAX_FIRST_WAIT_MS)(parseDurationMs(value));
    } catch {
      return undefined;
    }
  });
  const limiter = (): RateLimiter => {
    if (kind === 'never') return neverLimiter;
    return kind === 'always' ? alwaysLimiter : tokenBucket(qps, burst);
  };
  return { limiter, tries, firstWaitMs };
}
