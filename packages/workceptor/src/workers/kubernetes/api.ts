import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';

/** One request to the Kubernetes API. */
export interface ApiRequest {
  method?: 'GET' | 'POST' | 'DELETE';
  /** Absolute path, such as `/api/v1/namespaces/default/pods`; its parts already percent-encoded. */
  path: string;
  query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON. */
  body?: unknown;
  signal?: AbortSignal;
}

/**
 * The Kubernetes API as the worker needs it: authenticated requests that hide no error, respect backpressure
 * and end when their signal does.
 */
export interface KubernetesApi {
  /** The namespace of the kubeconfig's context, `default` where it names none. */
  readonly defaultNamespace: string;
  /**
   * Sends a request and reads the JSON answer.
   * @throws ApiError when it is refused or cannot be sent; ReceptorError `RECEPTOR_ABORTED` when its signal ended it.
   */
  json<T>(request: ApiRequest): Promise<T>;
  /** Sends a request whose answer is a stream (log, watch). @throws ApiError when it is refused or cannot be sent. */
  stream(request: ApiRequest): Promise<IncomingMessage>;
  /**
   * Opens a WebSocket (attach). It is handed over paused, so that no frame is lost: add the listeners, then call
   * its `resume()`. It always ends with `close`; `error` needs no listener.
   * @throws ApiError when it is refused or cannot be opened.
   */
  webSocket(request: ApiRequest, protocols: string[]): Promise<WebSocket>;
}

/** Reasons for which a request did not even leave. */
const NEVER_SENT = [
  'Credentials',
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPROXY',
];

/** A request that Kubernetes refused, or that could not be sent. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** `reason` of Kubernetes' Status object (`NotFound`, `Forbidden`, `Expired` …), or Node's error code. */
  readonly reason: string;
  /** Milliseconds the server asked to wait (`Retry-After`), where it did. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    about: { status: number; reason: string; retryAfterMs?: number; cause?: unknown },
  ) {
    super(message, { cause: about.cause });
    this.status = about.status;
    this.reason = about.reason;
    this.retryAfterMs = about.retryAfterMs;
  }

  /**
   * Whether the same request may succeed later: no answer, throttled, or a fault of the server. A server whose
   * certificate is not believed is not one of these.
   */
  get transient(): boolean {
    if (this.status === 0 && /CERT|SIGNATURE|HOSTNAME_MISMATCH/.test(this.reason)) return false;
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  /** Whether the server may have done what was asked, for all that is known. */
  get uncertain(): boolean {
    if (this.status === 0) return this.transient && !NEVER_SENT.includes(this.reason);
    return this.status >= 500;
  }
}
