import { readFileSync } from 'node:fs';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { WebSocket } from 'ws';
import { parse } from 'yaml';

/** What an answer was. */
export interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at JSON of any shape.
  body: any;
  /** Whether the answer came in full. */
  complete: boolean;
}

interface Kubeconfig {
  clusters: { cluster: Record<string, string> }[];
  users: { user: Record<string, string> }[];
}

/** A small Kubernetes client for tests: of the simulator and of a real cluster alike. */
export class Client {
  readonly agent: Agent;
  readonly #server: URL;
  readonly #token: string | undefined;
  readonly #tls: Record<string, Buffer | undefined>;

  constructor(kubeconfig: string) {
    const config = parse(kubeconfig) as Kubeconfig;
    const cluster = config.clusters[0]?.cluster ?? {};
    const user = config.users[0]?.user ?? {};
    const read = (from: Record<string, string>, field: string): Buffer | undefined => {
      const data = from[`${field}-data`];
      if (data !== undefined) return Buffer.from(data, 'base64');
      const file = from[field];
      return file === undefined ? undefined : readFileSync(file);
    };
    this.#server = new URL(cluster.server ?? '');
    this.#token = user.token;
    this.#tls = {
      ca: read(cluster, 'certificate-authority'),
      cert: read(user, 'client-certificate'),
      key: read(user, 'client-key'),
    };
    this.agent = new Agent({ keepAlive: true, ...(this.#tls as object) });
  }

  close(): void {
    this.agent.destroy();
  }

  #headers(): Record<string, string> {
    return this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
  }

  /** Sends a request; the answer's body is still to be read. */
  open(method: string, path: string, body?: unknown, type = 'application/json'): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
      const about =
        text === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(text) };
      const sent: ClientRequest = request(new URL(path, this.#server), {
        method,
        agent: this.agent,
        headers: { ...this.#headers(), ...about },
      });
      sent.on('response', resolve);
      sent.on('error', reject);
      sent.end(text);
    });
  }

  async send(method: string, path: string, body?: unknown, type?: string): Promise<Answer> {
    return readAnswer(await this.open(method, path, body, type));
  }

  get(path: string): Promise<Answer> {
    return this.send('GET', path);
  }

  attach(path: string, protocols = ['v5.channel.k8s.io']): Attached {
    const url = new URL(path, this.#server);
    url.protocol = 'wss:';
    return new Attached(
      new WebSocket(url, protocols, {
        ...(this.#tls as object),
        headers: this.#headers(),
        perMessageDeflate: false,
      }),
    );
  }
}

/** Reads an answer to its end, or to where it breaks off. */
export const readAnswer = async (response: IncomingMessage): Promise<Answer> => {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch {
    // What came is told; `complete` says that it is not all.
  }
  const text = Buffer.concat(chunks).toString('latin1');
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text,
    body,
    complete: response.complete,
  };
};

/** An attached connection and what came over it. */
export class Attached {
  readonly socket: WebSocket;
  stdout = '';
  stderr = '';
  status = '';
  /** Frames as they came: channel and length. */
  readonly frames: [number, number][] = [];
  /** HTTP status and body, when it was refused. */
  refused: { status: number; text: string } | undefined;
  /** Resolves to the close code when the connection is over. */
  readonly closed: Promise<number>;
  readonly opened: Promise<void>;
  readonly #changed = new Set<() => void>();

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('unexpected-response', (_request, response: IncomingMessage) => {
      void readAnswer(response).then(({ status, text }) => {
        this.refused = { status, text };
        socket.terminate();
      });
    });
    socket.on('message', (data: Buffer) => {
      const text = data.subarray(1).toString('latin1');
      this.frames.push([data[0] ?? -1, data.length - 1]);
      if (data[0] === 1) this.stdout += text;
      if (data[0] === 2) this.stderr += text;
      if (data[0] === 3) this.status += text;
      for (const look of this.#changed) look();
    });
    this.closed = new Promise((resolve) => socket.on('close', (code) => resolve(code)));
    this.opened = new Promise((resolve) => {
      socket.on('open', () => resolve());
      socket.on('close', () => resolve());
    });
  }

  /** Sends stdin. */
  write(data: string | Uint8Array): void {
    this.socket.send(Buffer.concat([Buffer.from([0]), Buffer.from(data as string)]));
  }

  /** Ends stdin, as v5 does. */
  end(): void {
    this.socket.send(Buffer.from([0xff, 0]));
  }

  /** Waits until what came satisfies a condition. */
  until(condition: (attached: this) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!condition(this)) return;
        this.#changed.delete(look);
        resolve();
      };
      this.#changed.add(look);
      look();
    });
  }
}

/** A pod that runs a command in its container `worker`. */
export const pod = (name: string, command: string[] | string, more: Record<string, unknown> = {}) => {
  const { annotations, labels, grace, ...container } = more;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      ...(annotations === undefined ? {} : { annotations }),
      ...(labels === undefined ? {} : { labels }),
    },
    spec: {
      restartPolicy: 'Never',
      ...(grace === undefined ? {} : { terminationGracePeriodSeconds: grace }),
      containers: [
        {
          name: 'worker',
          image: 'busybox',
          imagePullPolicy: 'IfNotPresent',
          stdin: true,
          stdinOnce: true,
          ...(command === ''
            ? {}
            : { command: typeof command === 'string' ? ['sh', '-c', command] : command }),
          ...container,
        },
      ],
    },
  };
};

/** Follows a pod by watch until it satisfies a condition; from `since` on, or with what it is now. */
export const podUntil = async (
  client: Client,
  pods: string,
  name: string,
  // biome-ignore lint/suspicious/noExplicitAny: tests look at JSON of any shape.
  condition: (object: any, type: string) => boolean,
  since = '',
  // biome-ignore lint/suspicious/noExplicitAny: as above.
): Promise<any> => {
  const selector = encodeURIComponent(`metadata.name=${name}`);
  const query = `watch=true&fieldSelector=${selector}&timeoutSeconds=300&resourceVersion=${since}`;
  const response = await client.open('GET', `${pods}?${query}`);
  let rest = '';
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const { type, object } = JSON.parse(line);
      if (!condition(object, type)) continue;
      response.destroy();
      return object;
    }
  }
  throw new Error(`the watch of ${name} ended too early`);
};

/** State of the first container. */
// biome-ignore lint/suspicious/noExplicitAny: as above.
export const state = (object: any) => object?.status?.containerStatuses?.[0]?.state ?? {};
// biome-ignore lint/suspicious/noExplicitAny: as above.
export const running = (object: any): boolean => state(object).running !== undefined;
// biome-ignore lint/suspicious/noExplicitAny: as above.
export const ended = (object: any): boolean => state(object).terminated !== undefined;
// biome-ignore lint/suspicious/noExplicitAny: as above.
export const over = (object: any): boolean => ['Succeeded', 'Failed'].includes(object?.status?.phase);
