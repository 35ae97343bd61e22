import { setTimeout as sleep } from 'node:timers/promises';
import { ReceptorError } from '@receptor/protocol';

/** Decides when the next request may be sent. */
export interface RateLimiter {
  /** Resolves when a request may go out. @throws ReceptorError when it never may, or when the signal ends the wait. */
  acquire(signal?: AbortSignal): Promise<void>;
}

/** Lets every request through at once (`RECEPTOR_KUBE_CLIENTSET_RATE_LIMITER=always`). */
export const alwaysLimiter: RateLimiter = { acquire: () => Promise.resolve() };

/** Refuses every request (`RECEPTOR_KUBE_CLIENTSET_RATE_LIMITER=never`). */
export const neverLimiter: RateLimiter = {
  acquire: () =>
    Promise.reject(
      new ReceptorError(
        'RECEPTOR_WORK_START_FAILED',
        'client rate limiter Wait returned an error: can not be accept',
      ),
    ),
};

/**
 * A token bucket: `burst` requests at once, then `qps` a second. Requests are served in the order they came.
 * A `qps` of zero or less means no limit.
 */
export function tokenBucket(qps: number, burst: number, now: () => number = Date.now): RateLimiter {
  if (qps <= 0) return alwaysLimiter;
  const size = Math.max(1, burst);
  let tokens = size;
  let filledAt = now();
  return {
    async acquire(signal) {
      const time = now();
      tokens = Math.min(size, tokens + ((time - filledAt) / 1000) * qps) - 1;
      filledAt = time;
      // A negative balance is a place in the queue: who took the last token waits for his own to drip in.
      if (tokens < 0) await sleep((-tokens / qps) * 1000, undefined, signal ? { signal } : {});
    },
  };
}
