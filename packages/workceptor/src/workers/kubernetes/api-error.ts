import type { IncomingMessage } from 'node:http';
import { ApiError } from './api.js';

/** Kubernetes' Status objects are small; what a proxy on the way sends instead may not be. */
const BODY_LIMIT = 64 << 10;

const UNBELIEVED = 'tls: x509: certificate signed by unknown authority';

/** What Node's error codes mean, in the words of the Go daemon's network library. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  ECONNRESET: 'connection reset by peer',
  EPIPE: 'write: broken pipe',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name server does not answer',
  ETIMEDOUT: 'i/o timeout',
  CERT_HAS_EXPIRED: 'tls: x509: certificate has expired or is not yet valid',
  CERT_NOT_YET_VALID: 'tls: x509: certificate has expired or is not yet valid',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNBELIEVED,
  SELF_SIGNED_CERT_IN_CHAIN: UNBELIEVED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNBELIEVED,
  UNABLE_TO_GET_ISSUER_CERT: UNBELIEVED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNBELIEVED,
  CERT_SIGNATURE_FAILURE: UNBELIEVED,
  EPROTO: 'tls: handshake failure',
};

/** What a person can do about it. */
const ADVICE: Readonly<Record<string, string>> = {
  [UNBELIEVED]: "the kubeconfig's certificate-authority is not that of this server",
  401: 'the credentials are not accepted; the token or certificate may have expired',
};

/** A request that got no answer, as an {@link ApiError}. */
export function connectionError(error: NodeJS.ErrnoException, method: string, url: string): ApiError {
  const code = error.code ?? error.name;
  const known = WORDS[code];
  const verb = `${method.charAt(0)}${method.slice(1).toLowerCase()}`;
  const { address, port } = error as { address?: unknown; port?: unknown };
  const dial = typeof address === 'string' ? `dial tcp ${address}:${String(port)}: ` : '';
  const words = known && code !== 'EPROTO' ? known : `${known ? `${known}: ` : ''}${error.message.trim()}`;
  return new ApiError(advised(`${verb} "${url}": ${dial}${words}`, words), {
    status: 0,
    reason: code,
    cause: error,
  });
}

/** `Retry-After`, in seconds or as a date; the time of this machine may be off, so never more than five minutes. */
function retryAfterMs(value: string | undefined, now: number = Date.now()): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), 300_000);
}

async function readSome(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  const timer = setTimeout(() => response.destroy(), 10_000);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= BODY_LIMIT) break;
    }
  } catch {
    // What came is what there is; the status says enough.
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks).toString();
}

/** Reads the body of an answer that is no success, and makes it an {@link ApiError} with Kubernetes' own words. */
export async function refusal(response: IncomingMessage, method: string, url: string): Promise<ApiError> {
  const status = response.statusCode ?? 0;
  const body = await readSome(response);
  const wait = retryAfterMs(response.headers['retry-after']);
  const about = { status, ...(wait === undefined ? {} : { retryAfterMs: wait }) };
  try {
    const parsed = JSON.parse(body) as { kind?: unknown; message?: unknown; reason?: unknown };
    if (parsed.kind === 'Status' && typeof parsed.message === 'string') {
      const reason = typeof parsed.reason === 'string' ? parsed.reason : '';
      return new ApiError(advised(parsed.message, status), { ...about, reason });
    }
  } catch {
    // Not of Kubernetes: a proxy, a load balancer, or no body at all.
  }
  const said = body.trim().split('\n')[0]?.slice(0, 200) ?? '';
  const words = said === '' ? (response.statusMessage ?? '') : said;
  return new ApiError(advised(`${method} ${url}: ${status} ${words}`.trim(), status), {
    ...about,
    reason: '',
  });
}

const advised = (message: string, about: string | number): string =>
  about in ADVICE ? `${message}: ${ADVICE[about]}` : message;
