import { quotaExceeded, Refusal } from './status.js';

/** Refusals for faults, in the words of Kubernetes. */
export const refuse = {
  /** 429, with `Retry-After`. */
  throttled: (retryAfterSeconds = 1) =>
    new Refusal(429, 'TooManyRequests', 'Too many requests, please try again later.', { retryAfterSeconds }),
  /** 500 with the text of an internal error. */
  internalError: (message = 'etcdserver: request timed out') =>
    new Refusal(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] }),
  /** 503, as an API server that starts or ends. */
  unavailable: (message = 'apiserver not ready') => new Refusal(503, 'ServiceUnavailable', message),
  /** 403 of a ResourceQuota. */
  quotaExceeded,
  /** Any other. */
  with: (code: number, reason: string, message: string) => new Refusal(code, reason, message),
};
