import { type IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Access } from '../access.js';
import type { AnyFault, Faults, RecordedRequest } from '../faults.js';
import type { Identity } from '../identity.js';
import { Refusal } from '../status.js';
import { type Call, type Cluster, sendRefusal, staySilent } from './call.js';
import type { VERSION } from './discovery.js';
import { type Route, route } from './routes.js';

/** Requests that are remembered; older ones are forgotten. */
const REMEMBERED = 100_000;

/** What the server needs to know. */
export interface ServerOptions {
  identity: Identity;
  access: Access;
  faults: Faults;
  cluster: Cluster;
  version: typeof VERSION;
}

/** The HTTPS side of the simulator: takes requests in, checks them, plays the faults and hands on. */
export class ApiServer {
  readonly requests: RecordedRequest[] = [];
  readonly #options: ServerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #started = performance.now();
  #port = 0;

  constructor(options: ServerOptions) {
    this.#options = options;
    const { identity } = options;
    this.#server = createServer({
      ...identity.server,
      ca: identity.ca,
      requestCert: true,
      rejectUnauthorized: false,
      keepAliveTimeout: 60_000,
      requestTimeout: 0,
    });
    this.#server.on('connection', (socket: Socket) => {
      // One that was accepted at the moment the API vanished would keep `stop` waiting.
      if (!this.#server.listening) socket.destroy();
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('tlsClientError', () => {});
    this.#server.on('request', (request, response) => void this.#take(request, response, undefined));
    this.#server.on('upgrade', (request, socket, head) => {
      const response = new ServerResponse(request);
      response.shouldKeepAlive = false;
      response.assignSocket(socket as Socket);
      response.on('finish', () => socket.end());
      socket.on('error', () => socket.destroy());
      void this.#take(request, response, { socket, head });
    });
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  /** Listens, if it does not yet; again on the same port after `stop`. */
  async listen(port = this.#port): Promise<void> {
    if (this.#server.listening) return;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Closes all connections and listens no more: connections are refused. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.dropConnections();
    await closed;
  }

  /** Breaks all connections. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async #take(request: IncomingMessage, response: ServerResponse, upgrade: Call['upgrade']): Promise<void> {
    const target = `https://simulator${request.url ?? '/'}`;
    if (!URL.canParse(target)) {
      response.writeHead(400).end('the path of the request cannot be read');
      return;
    }
    const url = new URL(target);
    const method = request.method ?? 'GET';
    const gone = new AbortController();
    (upgrade?.socket ?? response).on('close', () => gone.abort());
    const record: RecordedRequest = {
      at: performance.now() - this.#started,
      operation: 'other',
      method,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      namespace: '',
      name: '',
      user: '',
    };
    this.#remember(record, response);
    try {
      const way = route(method, url.pathname, url.searchParams, this.#options.version);
      Object.assign(record, { operation: way.operation, namespace: way.namespace, name: way.name });
      const fault = this.#options.faults.take(record);
      const call: Call = {
        cluster: this.#options.cluster,
        request,
        response,
        record,
        query: url.searchParams,
        fault,
        signal: gone.signal,
        upgrade,
      };
      await this.#answer(call, way);
    } catch (error) {
      // Only a fault of ours gets here: a path that cannot be decoded, a socket that went away.
      if (!response.headersSent) response.writeHead(400).end(String(error));
      else response.destroy();
    }
  }

  async #answer(call: Call, way: Route): Promise<void> {
    try {
      if (!(await misfortune(call.fault, call, call.upgrade?.socket ?? call.request.socket))) return;
      const { access } = this.#options;
      call.record.user = access.authenticate(call.request);
      if (way.wish) access.authorize(call.record.user, way.wish);
      await way.handle(call);
    } catch (error) {
      if (!(error instanceof Refusal) || call.response.headersSent) throw error;
      sendRefusal(call, error);
      // What is left of the body is of no interest, but the connection stays usable.
      call.request.resume();
    }
  }

  #remember(record: RecordedRequest, response: ServerResponse): void {
    this.requests.push(record);
    if (this.requests.length > REMEMBERED) this.requests.splice(0, REMEMBERED / 10);
    response.on('finish', () => {
      record.status ??= response.statusCode;
    });
  }
}

/** Plays what happens before a request is handled; false if there is nothing more to do. */
const misfortune = async (fault: AnyFault, call: Call, socket: Duplex): Promise<boolean> => {
  if (fault.delayMs !== undefined)
    await sleep(fault.delayMs, undefined, { signal: call.signal }).catch(() => {});
  if (call.signal.aborted) return false;
  if (fault.silent) {
    await staySilent(call);
    return false;
  }
  if (fault.hangUp) {
    socket.destroy();
    return false;
  }
  if (fault.refuse) throw fault.refuse;
  return true;
};
