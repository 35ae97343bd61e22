import type { WebSocket } from 'ws';
import type { KubernetesApi } from '../api.js';

const PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const STDOUT = 1;
const STDERR = 2;
const STATUS = 3;
/** A Status is a few hundred bytes. */
const STATUS_LIMIT = 65_536;

/** What the server said about a connection's end (the Kubernetes object of that name). */
export interface AttachStatus {
  readonly status?: string;
  readonly message?: string;
  readonly reason?: string;
}

export interface AttachEvents {
  /** Output; channel 0 is standard output, 1 standard error. */
  output(channel: 0 | 1, bytes: Buffer): void;
  /** The connection is at its end; nothing follows. `status` is what was said about it, if anything was. */
  closed(status: AttachStatus | undefined, code: number): void;
}

/** One connection to a running container. */
export interface AttachConnection {
  readonly socket: WebSocket;
  /** Whether the end of standard input can be said while output goes on (from v5 on). */
  readonly closesStdin: boolean;
  /** Stops or goes on reading, so that the container waits. */
  pause(paused: boolean): void;
  close(): void;
}

/**
 * Attaches to a container's output, and its standard input where asked.
 * @throws ApiError when that is refused or cannot be done
 */
export async function openAttach(
  api: KubernetesApi,
  about: { path: string; container: string; stdin: boolean; signal: AbortSignal },
  events: AttachEvents,
): Promise<AttachConnection> {
  const { container, path, signal } = about;
  const query = { container, stdin: about.stdin, stdout: true, stderr: true };
  const socket = await api.webSocket({ path, query, signal }, PROTOCOLS);
  let status = Buffer.alloc(0);
  socket.on('message', (data: Buffer) => {
    const bytes = data.subarray(1);
    if (bytes.length === 0) return;
    if (data[0] === STDOUT) events.output(0, bytes);
    else if (data[0] === STDERR) events.output(1, bytes);
    else if (data[0] === STATUS && status.length + bytes.length <= STATUS_LIMIT)
      status = Buffer.concat([status, bytes]);
  });
  socket.on('close', (code) => events.closed(parseStatus(status), code));
  socket.resume();
  return {
    socket,
    closesStdin: socket.protocol.startsWith('v5'),
    pause(paused) {
      if (socket.readyState === socket.CLOSED) return;
      if (paused) socket.pause();
      else socket.resume();
    },
    close() {
      // Politely first, so that what was sent arrives; a peer that does not answer is left after a moment by ws.
      if (socket.readyState === socket.CLOSED) return;
      socket.resume();
      socket.close(1000);
    },
  };
}

/** Whether a connection that was accepted says at its end that it never led to the container. */
export function neverAttached(status: AttachStatus | undefined): boolean {
  return /unable to upgrade connection|error dialing backend/.test(status?.message ?? '');
}

function parseStatus(bytes: Buffer): AttachStatus | undefined {
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(bytes.toString()) as AttachStatus;
  } catch {
    return { message: bytes.toString('utf8', 0, 200) };
  }
}
