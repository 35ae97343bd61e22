import { setTimeout as sleep } from 'node:timers/promises';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import type { Attachment, Container } from '../container/container.js';
import type { AnyFault } from '../faults.js';
import type { PodLife } from '../pods/pod-life.js';
import { badRequest, Refusal } from '../status.js';
import { type Call, containerOf, flag, nodeUnreachable, podOf } from './call.js';

/** Frames larger than this are split, as Kubernetes does. */
const FRAME = 32 * 1024;
/** Output that a client has not taken yet, beyond which the container waits. */
const BUFFERED = 256 * 1024;
const PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const SUCCESS = { metadata: {}, status: 'Success' };

const STDIN = 0;
const ERROR = 3;
const CLOSE = 255;
const CHANNEL = { stdout: 1, stderr: 2 } as const;

const server = new WebSocketServer({
  noServer: true,
  perMessageDeflate: false,
  maxPayload: 32 * 1024 * 1024,
  handleProtocols: (offered) => [...offered].find((name) => PROTOCOLS.includes(name)) ?? false,
});

/** `GET …/pods/<name>/attach`, upgraded to a WebSocket. */
export const attach = async (call: Call): Promise<void> => {
  const life = podOf(call);
  const container = containerOf(call, life);
  if (!life.scheduled) throw badRequest(`pod ${life.name} does not have a host assigned`);
  if (life.lost) throw nodeUnreachable(life, 'attach');
  const { upgrade, request } = call;
  if (!upgrade || request.headers.upgrade?.toLowerCase() !== 'websocket')
    throw badRequest('Upgrade request required');
  const offered = String(request.headers['sec-websocket-protocol'] ?? '').split(/\s*,\s*/);
  const known = call.fault.old ? PROTOCOLS.slice(1) : PROTOCOLS;
  const protocol = offered.find((name) => known.includes(name));
  if (protocol === undefined)
    throw badRequest(
      `unable to upgrade: unable to negotiate protocol: client supports ${JSON.stringify(offered)}, server accepts ${JSON.stringify(PROTOCOLS)}`,
    );
  const trouble = refusal(call, life, container) ?? (call.fault.unreachable ? 'no route to host' : undefined);
  // Only for v5 does the API server accept before it has asked the kubelet.
  if (trouble && protocol !== PROTOCOLS[0]) {
    call.record.status = 500;
    call.response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' }).end(trouble);
    return;
  }
  const socket = await new Promise<WebSocket>((resolve) => {
    call.response.detachSocket(request.socket);
    request.headers['sec-websocket-protocol'] = protocol;
    server.handleUpgrade(request, upgrade.socket, upgrade.head, resolve);
  });
  call.record.status = 101;
  const session = new AttachSession(call, socket, protocol, life, container);
  if (trouble) session.refuse(trouble);
  else await session.run();
};

const refusal = ({ query }: Call, life: PodLife, container: Container): string | undefined => {
  if (!['stdin', 'stdout', 'stderr'].some((name) => flag(query, name)))
    return 'you must specify at least 1 of stdin, stdout, stderr';
  return container.running
    ? undefined
    : `container ${container.spec.name} not found in pod ${life.name}_${life.namespace}`;
};

/** One attached client. */
class AttachSession implements Attachment {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly #socket: WebSocket;
  readonly #life: PodLife;
  readonly #container: Container;
  readonly #fault: AnyFault;
  readonly #signal: AbortSignal;
  readonly #v5: boolean;
  #sent = 0;
  #received = 0;
  #stdinOpen: boolean;
  #over = false;

  constructor(call: Call, socket: WebSocket, protocol: string, life: PodLife, container: Container) {
    this.#socket = socket;
    this.#life = life;
    this.#container = container;
    this.#fault = call.fault;
    this.#signal = call.signal;
    this.#v5 = protocol === PROTOCOLS[0];
    this.stdin = flag(call.query, 'stdin');
    this.stdout = flag(call.query, 'stdout');
    this.stderr = flag(call.query, 'stderr');
    this.#stdinOpen = this.stdin;
    socket.on('error', () => socket.terminate());
    // An empty message on the first channel says that all is ready.
    void this.#frame(this.stdout ? CHANNEL.stdout : this.stderr ? CHANNEL.stderr : ERROR, Buffer.alloc(0));
  }

  refuse(message: string): void {
    const cause = `unable to upgrade connection: ${message}`;
    const details = { causes: [{ message: cause }] };
    const refusal = new Refusal(500, 'InternalError', `Internal error occurred: ${cause}`, details);
    const { metadata, status, ...rest } = refusal.toStatus();
    const { kind: _kind, apiVersion: _apiVersion, ...text } = { ...rest };
    this.#finish({ metadata, status, ...text });
  }

  async run(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#socket.on('close', () => resolve()));
    this.#socket.on('message', (data) => this.#message(data));
    if (this.#fault.beginAfterMs !== undefined)
      await Promise.race([
        closed,
        sleep(this.#fault.beginAfterMs, undefined, { signal: this.#signal }).catch(() => {}),
      ]);
    if (this.#fault.cutAfter === 0) this.#cut();
    this.#container.attach(this);
    await closed;
    this.#over = true;
    this.#container.detach(this);
    this.#endStdin();
  }

  output(stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> | undefined {
    if (this.#over || this.#life.lost) return undefined;
    const { cutAfter, silentAfter, shortAfter } = this.#fault;
    const limit = Math.min(...[cutAfter, silentAfter, shortAfter].map((n) => n ?? Number.POSITIVE_INFINITY));
    const allowed = chunk.subarray(0, Math.max(0, limit - this.#sent));
    this.#sent += allowed.length;
    let taken: Promise<void> | undefined;
    for (let at = 0; at < allowed.length; at += FRAME)
      taken = this.#frame(CHANNEL[stream], allowed.subarray(at, at + FRAME)) ?? taken;
    if (this.#sent === cutAfter) this.#cut();
    return taken;
  }

  finish(): void {
    if (this.#fault.silentAfter !== undefined && this.#sent >= this.#fault.silentAfter) return;
    if (this.#life.lost) return;
    if (this.#fault.resetAtEnd) this.#finishByReset();
    else this.#finish(SUCCESS);
  }

  #finishByReset(): void {
    if (this.#over) return;
    this.#over = true;
    const status = Buffer.concat([Buffer.from([ERROR]), Buffer.from(JSON.stringify(SUCCESS))]);
    // Unread bytes make the system reset it.
    this.#socket.send(status, () => this.#socket.terminate());
  }

  #message(raw: RawData): void {
    const data = Array.isArray(raw) ? Buffer.concat(raw) : Buffer.from(raw as Buffer);
    if (this.#v5 && data[0] === CLOSE && data[1] === STDIN) this.#halfClosed();
    if (data[0] !== STDIN || !this.#stdinOpen || this.#life.lost) return;
    if (!this.#container.running && !this.stdout && !this.stderr) this.#finish(SUCCESS);
    this.#input(data.subarray(1));
  }

  #input(data: Buffer): void {
    const limit = this.#fault.cutAfterStdin ?? Number.POSITIVE_INFINITY;
    const allowed = data.subarray(0, limit - this.#received);
    this.#received += allowed.length;
    this.#socket.pause();
    this.#container.input(allowed, () => {
      if (this.#received >= limit) this.#socket.terminate();
      else this.#socket.resume();
    });
  }

  #halfClosed(): void {
    this.#endStdin();
    if (this.stdin && !this.stdout && !this.stderr) this.#finish(SUCCESS);
  }

  #endStdin(): void {
    if (!this.#stdinOpen || this.#life.lost) return;
    this.#stdinOpen = false;
    this.#container.inputEnded();
  }

  /** Sends a frame; a returned promise resolves when the client has taken enough. */
  #frame(channel: number, data: Uint8Array): Promise<void> | undefined {
    if (this.#socket.readyState !== WebSocket.OPEN) return undefined;
    const frame = Buffer.allocUnsafe(data.length + 1);
    frame[0] = channel;
    frame.set(data, 1);
    if (this.#socket.bufferedAmount < BUFFERED) {
      this.#socket.send(frame);
      return undefined;
    }
    return new Promise((resolve) => {
      // ws calls back with an error when the connection breaks, so this always resolves.
      this.#socket.send(frame, () => resolve());
    });
  }

  #cut(): void {
    if (this.#over) return;
    const by = this.#fault.cutBy ?? 'reset';
    if (by === 'success') this.#finish(SUCCESS);
    else if (by === 'failure') this.refuse('error reading from error stream: next reader: EOF');
    else if (by === 'close') {
      this.#over = true;
      this.#socket.close(1000);
    } else {
      this.#over = true;
      // What was sent before the cut shall arrive.
      if (this.#socket.bufferedAmount === 0) this.#socket.terminate();
      else this.#socket.send(Buffer.from([CHANNEL.stdout]), () => this.#socket.terminate());
    }
  }

  #finish(status: object): void {
    if (this.#over) return;
    void this.#frame(ERROR, Buffer.from(JSON.stringify(status)));
    this.#over = true;
    this.#socket.close(1000);
  }
}
