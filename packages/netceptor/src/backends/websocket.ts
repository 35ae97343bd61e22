import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { MeshError } from '../errors.js';
import { formatHostPort, plainAddress } from './address.js';
import type { BackendContext, DiallingBackend, ListeningBackend, Session } from './backend.js';
import { backendError, onAbort, stopped } from './failure.js';
import {
  DIAL_TIMEOUT,
  HANDSHAKE_TIMEOUT,
  type ListenerOptions,
  MAX_CONNECTIONS,
} from './listener-options.js';
import { refusalOf } from './tcp.js';
import { MAX_WEBSOCKET_MESSAGE, WebSocketSession } from './websocket-session.js';

/** How often it is looked for callers that take too long for the head of their request; Node does so every 30 seconds. */
const CHECK_INTERVAL = 1000;

/** Loaded by those who need it only: it takes as long as a tenth of all else that a node loads. */
const load = () => Promise.all([import('ws'), import('node:http'), import('node:https')]);

/** The settings of a {@link WebSocketListener}. */
export interface WebSocketListenerOptions extends ListenerOptions {
  /** The path to answer on, with all below it when it ends in `/`; `/` when left out. */
  readonly path?: string;
}

/** Accepts sessions over WebSocket (reference: mesh, 1.3). */
export class WebSocketListener implements ListeningBackend {
  readonly kind = 'listener';
  readonly #options: WebSocketListenerOptions;

  constructor(options: WebSocketListenerOptions) {
    this.#options = options;
  }

  async listen(accept: (session: Session) => void, { clock, log, signal }: BackendContext): Promise<string> {
    const { port, host = '0.0.0.0', path = '/', tls } = this.#options;
    const { maxConnections = MAX_CONNECTIONS, handshakeTimeout = HANDSHAKE_TIMEOUT } = this.#options;
    const [{ WebSocketServer }, http, https] = await load();
    if (signal.aborted) throw stopped();
    const webSockets = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      maxPayload: MAX_WEBSOCKET_MESSAGE,
      handleProtocols: () => false,
    });
    const timeouts = {
      headersTimeout: handshakeTimeout,
      requestTimeout: handshakeTimeout,
      connectionsCheckingInterval: Math.min(CHECK_INTERVAL, handshakeTimeout),
    };
    const secure = tls && https.createServer({ ...tls, ...timeouts, handshakeTimeout });
    const server: Server = secure ?? http.createServer(timeouts);
    const offRenewed = tls?.onRenewed?.((context) => secure?.setSecureContext(context));
    onAbort(signal, () => offRenewed?.());
    server.maxConnections = maxConnections;
    server.on('secureConnection', (socket: TLSSocket) => {
      const refusal = tls && refusalOf(tls, socket);
      if (refusal === undefined) return;
      log.warning(`Refused a TLS connection: ${refusal}`);
      socket.destroy();
    });
    server.on('request', (request, response) => {
      const [status, text] = pathMatches(request, path) ? [400, 'Bad Request'] : [404, '404 page not found'];
      response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
    });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => {});
      if (!pathMatches(request, path)) return refuse(socket, '404 Not Found', '404 page not found');
      if (!isSameOrigin(request)) return refuse(socket, '403 Forbidden', 'Forbidden');
      const remote = formatHostPort(
        plainAddress(request.socket.remoteAddress ?? ''),
        request.socket.remotePort ?? 0,
      );
      webSockets.handleUpgrade(request, socket, head, (webSocket) =>
        accept(new WebSocketSession(webSocket, remote, clock)),
      );
    });
    server.on('tlsClientError', (error: Error) => log.warning(`TLS handshake failed: ${error.message}`));
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => reject(backendError(error));
      server.once('error', failed);
      server.listen({ port, host }, () => {
        server.off('error', failed);
        server.on('error', (error) => log.error(`Error accepting connection: ${error.message}`));
        const { address, port: bound } = server.address() as { address: string; port: number };
        resolve(formatHostPort(address, bound));
      });
      onAbort(signal, () => {
        reject(stopped());
        webSockets.close();
        server.close();
        server.closeAllConnections();
      });
    });
  }
}

/** A path that ends in `/` stands for all below it; the query does not matter. */
function pathMatches({ url = '/' }: IncomingMessage, path: string): boolean {
  const [asked = '/'] = url.split('?', 1);
  return asked === path || (path.endsWith('/') && asked.startsWith(path));
}

function isSameOrigin({ headers }: IncomingMessage): boolean {
  if (headers.origin === undefined) return true;
  try {
    return new URL(headers.origin).host === headers.host?.toLowerCase();
  } catch {
    return false;
  }
}

function refuse(socket: Duplex, status: string, text: string): void {
  const head = `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${text.length + 1}\r\nConnection: close`;
  socket.end(`HTTP/1.1 ${status}\r\n${head}\r\n\r\n${text}\n`, () => socket.destroy());
}

/** The settings of a {@link WebSocketDialler}. */
export interface WebSocketDiallerOptions {
  /** A URL, `ws://` or `wss://`. */
  readonly address: string;
  /** A header to send along, as `name:value`. */
  readonly extraHeader?: string;
  /** Whether to connect again after a failure or an end; true when left out. */
  readonly redial?: boolean;
  /** How to speak TLS with a `wss://` address, asked for each time when it can change; the defaults of Node when left out. */
  readonly tls?: ConnectionOptions | (() => ConnectionOptions);
}

/** Connects over WebSocket (reference: mesh, 1.3). */
export class WebSocketDialler implements DiallingBackend {
  readonly kind = 'dialler';
  readonly address: string;
  readonly redial: boolean;
  readonly #url: URL;
  readonly #headers: Record<string, string>;
  readonly #tls: ConnectionOptions | (() => ConnectionOptions);

  /** @throws MeshError `RECEPTOR_MESH_OPTIONS` when the address or the header is malformed */
  constructor({ address, extraHeader, redial = true, tls = {} }: WebSocketDiallerOptions) {
    this.address = address;
    this.redial = redial;
    this.#tls = tls;
    this.#url = parseUrl(address);
    this.#headers = { 'User-Agent': 'Go-http-client/1.1', ...parseHeader(extraHeader) };
  }

  async connect({ clock, signal }: BackendContext): Promise<Session> {
    const [{ WebSocket }] = await load();
    if (signal.aborted) throw stopped();
    const { protocol, host } = this.#url;
    const webSocket = new WebSocket(this.#url, {
      ...(typeof this.#tls === 'function' ? this.#tls() : this.#tls),
      headers: this.#headers,
      origin: `${protocol === 'wss:' ? 'https' : 'http'}://${host}`,
      perMessageDeflate: false,
      handshakeTimeout: DIAL_TIMEOUT,
      maxPayload: MAX_WEBSOCKET_MESSAGE,
    });
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => {
        offAbort();
        reject(backendError(error));
      };
      // Made before it is open, so that no message that comes with the answer is missed.
      const session = new WebSocketSession(webSocket, this.address, clock);
      webSocket.once('error', failed);
      webSocket.once('open', () => {
        webSocket.off('error', failed);
        offAbort();
        resolve(session);
      });
      const offAbort = onAbort(signal, () => {
        webSocket.terminate();
        reject(stopped());
      });
    });
  }
}

function parseUrl(address: string): URL {
  try {
    const url = new URL(address);
    if (url.protocol === 'ws:' || url.protocol === 'wss:') return url;
  } catch {
    // Said below.
  }
  throw new MeshError('RECEPTOR_MESH_OPTIONS', `invalid address for Websocket: ${address}`);
}

function parseHeader(header: string | undefined): Record<string, string> {
  if (header === undefined || header === '') return {};
  const colon = header.indexOf(':');
  if (colon < 1) throw new MeshError('RECEPTOR_MESH_OPTIONS', 'extra header must be in the form key:value');
  return { [header.slice(0, colon)]: header.slice(colon + 1).trim() };
}
