import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { ReceptorError } from '@receptor/protocol';
import { WebSocket } from 'ws';
import { errorText } from '../../error-text.js';
import { type CredentialSource, type Credentials, credentialSource } from './access/credentials.js';
import type { ClusterAccess } from './access/kubeconfig.js';
import { proxyAgent } from './access/proxy.js';
import { ApiError, type ApiRequest, type KubernetesApi } from './api.js';
import { connectionError, refusal } from './api-error.js';
import { alwaysLimiter, type RateLimiter } from './rate-limit.js';
import { readOutAfterFailedWrite } from './read-out.js';

/** A {@link KubernetesApi} that holds connections. */
export interface KubernetesClient extends KubernetesApi {
  /** Closes idle connections and ends what is under way; nothing can be asked afterwards. */
  close(): void;
}

/** Limits of a client; the defaults suit a real cluster. */
export interface ClientSettings {
  limiter?: RateLimiter;
  /** Milliseconds until the answer to a request must have begun. Default 30 s. */
  answerTimeoutMs?: number;
  /** Milliseconds without a byte after which a JSON answer is given up. Default 30 s. */
  idleTimeoutMs?: number;
  /** Milliseconds a credential plugin may take. Default 60 s. */
  pluginTimeoutMs?: number;
  now?: () => number;
}

/** More than any list of pods this worker asks for. */
const ANSWER_LIMIT = 64 << 20;
/** A frame of attach is 32 KiB; nothing near this is honest. */
const FRAME_LIMIT = 16 << 20;
const KEEP_ALIVE_MS = 30_000;

/**
 * A client of the Kubernetes API on node:https and ws.
 * @param access where the API is and how to be believed there
 */
export function createClient(access: ClusterAccess, settings: ClientSettings = {}): KubernetesClient {
  const limiter = settings.limiter ?? alwaysLimiter;
  const answerTimeoutMs = settings.answerTimeoutMs ?? 30_000;
  const idleTimeoutMs = settings.idleTimeoutMs ?? 30_000;
  const closed = new AbortController();
  const source: CredentialSource = credentialSource(access, {
    now: settings.now,
    signal: closed.signal,
    ...(settings.pluginTimeoutMs === undefined ? {} : { timeoutMs: settings.pluginTimeoutMs }),
  });
  const base = new URL(access.server);
  const secure = base.protocol === 'https:';
  let pool: { agent: http.Agent; tlsId: string } | undefined;

  function retire(agent: http.Agent): void {
    // Connections in use end with their requests; the idle ones carry outdated credentials.
    agent.maxFreeSockets = 0;
    for (const sockets of Object.values(agent.freeSockets))
      for (const socket of sockets ?? []) socket.destroy();
  }

  async function agentFor(credentials: Credentials): Promise<http.Agent> {
    if (pool?.tlsId === credentials.tlsId) return pool.agent;
    if (pool) retire(pool.agent);
    const options = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS };
    let agent: http.Agent;
    // The cluster's authority and our certificate are no business of a proxy; requests bring them along.
    if (access.proxyUrl) agent = await proxyAgent(access.proxyUrl, options);
    else agent = secure ? new https.Agent({ ...options, ...credentials.tls }) : new http.Agent(options);
    pool = { agent, tlsId: credentials.tlsId };
    return agent;
  }

  async function credentials(): Promise<Credentials> {
    try {
      return await source.get();
    } catch (cause) {
      if (closed.signal.aborted) throw aborted();
      throw new ApiError(errorText(cause), { status: 0, reason: 'Credentials', cause });
    }
  }

  function target(request: ApiRequest): string {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) query.append(name, String(value));
    }
    const text = query.toString();
    return `${base.pathname.replace(/\/+$/, '')}${request.path}${text ? `?${text}` : ''}`;
  }

  const describe = (request: ApiRequest): string => `${base.origin}${target(request).split('?')[0]}`;

  function signalOf(request: ApiRequest): AbortSignal {
    return request.signal ? AbortSignal.any([request.signal, closed.signal]) : closed.signal;
  }

  async function passLimiter(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw aborted();
    try {
      await limiter.acquire(signal);
    } catch (error) {
      if (signal.aborted) throw aborted();
      throw error;
    }
  }

  /** Runs an attempt, and once more with fresh credentials where the server did not believe the first ones. */
  async function authenticated<T>(attempt: (credentials: Credentials) => Promise<T>): Promise<T> {
    try {
      return await attempt(await credentials());
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401 || !source.invalidate()) throw error;
      return attempt(await credentials());
    }
  }

  function send(request: ApiRequest, given: Credentials, agent: http.Agent, signal: AbortSignal) {
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const method = request.method ?? 'GET';
    return new Promise<IncomingMessage>((resolve, reject) => {
      const call: ClientRequest = (secure ? https : http).request({
        host: base.hostname.replace(/^\[|\]$/g, ''),
        port: base.port || (secure ? 443 : 80),
        ...given.tls,
        agent,
        method,
        path: target(request),
        signal,
        headers: {
          Accept: 'application/json, */*',
          'User-Agent': 'receptor',
          ...given.headers,
          ...(body ? { 'Content-Type': 'application/json', 'Content-Length': body.length } : {}),
        },
      });
      call.once('proxyConnect', refuseByProxy(call));
      const timer = setTimeout(() => {
        call.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }));
      }, answerTimeoutMs);
      call.once('response', (response) => {
        clearTimeout(timer);
        response.on('error', () => {}); // whoever reads it has its own listener
        resolve(response);
      });
      call.on('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        if (signal.aborted) return reject(aborted());
        const failure = connectionError(error, method, describe(request));
        // A server may close an idle connection at the moment it is used again; only then is asking again right.
        const stale = call.reusedSocket && error.code === 'ECONNRESET' && method !== 'POST';
        if (!stale) return reject(failure);
        send(request, given, agent, signal).then(resolve, reject);
      });
      call.end(body);
    });
  }

  async function answered(request: ApiRequest): Promise<IncomingMessage> {
    const signal = signalOf(request);
    await passLimiter(signal);
    return authenticated(async (given) => {
      const response = await send(request, given, await agentFor(given), signal);
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) return response;
      throw await refusal(response, request.method ?? 'GET', describe(request));
    });
  }

  async function json<T>(request: ApiRequest): Promise<T> {
    const response = await answered(request);
    const broken = (error: Error & { code?: string }) =>
      request.signal?.aborted || closed.signal.aborted
        ? aborted()
        : connectionError(error, request.method ?? 'GET', describe(request));
    const chunks: Buffer[] = [];
    let size = 0;
    response.setTimeout(idleTimeoutMs, () => {
      response.destroy(Object.assign(new Error('the answer stopped coming'), { code: 'ETIMEDOUT' }));
    });
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > ANSWER_LIMIT) throw new Error('the answer is too long');
        chunks.push(chunk);
      }
    } catch (error) {
      throw broken(error as Error);
    } finally {
      response.socket?.setTimeout(0);
    }
    try {
      return JSON.parse(Buffer.concat(chunks).toString()) as T;
    } catch (cause) {
      throw new ApiError(`${describe(request)} answered with something that is not JSON`, {
        status: 0,
        reason: 'Malformed',
        cause,
      });
    }
  }

  async function webSocket(request: ApiRequest, protocols: string[]): Promise<WebSocket> {
    const signal = signalOf(request);
    await passLimiter(signal);
    return authenticated(async (given) => {
      const options = { ...given.tls, ...(access.proxyUrl ? { agent: await agentFor(given) } : {}) };
      if (signal.aborted) throw aborted();
      return new Promise<WebSocket>((resolve, reject) => {
        const url = `${secure ? 'wss' : 'ws'}://${base.host}${target(request)}`;
        const socket = new WebSocket(url, protocols, {
          ...options,
          headers: { 'User-Agent': 'receptor', ...(given.headers as Record<string, string>) },
          perMessageDeflate: false,
          handshakeTimeout: answerTimeoutMs,
          maxPayload: FRAME_LIMIT,
          finishRequest: (call) => {
            call.once('proxyConnect', refuseByProxy(call));
            call.end();
          },
        });
        socket.once('upgrade', (response) => readOutAfterFailedWrite(response.socket));
        const abandon = () => socket.terminate();
        signal.addEventListener('abort', abandon, { once: true });
        socket.once('close', () => signal.removeEventListener('abort', abandon));
        // Stays for the life of the socket: an error is always followed by `close`, which its owner listens to.
        socket.on('error', (error) => {
          reject(signal.aborted ? aborted() : connectionError(error, 'GET', describe(request)));
        });
        socket.once('unexpected-response', (call, response) => {
          refusal(response, 'GET', describe(request)).then(
            (error) => {
              reject(error);
              call.destroy();
              signal.removeEventListener('abort', abandon);
            },
            (error: Error) => reject(error),
          );
        });
        socket.once('open', () => {
          // So that no frame is emitted before its owner listens.
          socket.pause();
          resolve(socket);
        });
      });
    });
  }

  return {
    defaultNamespace: access.namespace ?? 'default',
    json,
    stream: answered,
    webSocket,
    close() {
      closed.abort();
      pool?.agent.destroy();
    },
  };
}

const aborted = (): ReceptorError => new ReceptorError('RECEPTOR_ABORTED', 'the request was cancelled');

/** A proxy that does not connect us would be mistaken for the API: its answer is taken for that of the API. */
function refuseByProxy(call: ClientRequest): (answer: { statusCode: number; statusText: string }) => void {
  return ({ statusCode, statusText }) => {
    if (statusCode === 200) return;
    const message = `proxyconnect tcp: the proxy answered ${statusCode} ${statusText}`;
    call.destroy(Object.assign(new Error(message), { code: 'EPROXY' }));
  };
}
