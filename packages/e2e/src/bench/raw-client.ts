import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const PATIENCE_MS = 60_000;

/** A control session with nothing between it and the socket, so that what is measured is the daemon. */
export class RawClient {
  readonly socket: Socket;
  #pending = '';
  #ended = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#pending += chunk.toString('latin1');
      this.#wake?.();
    });
    const ended = () => {
      this.#ended = true;
      this.#wake?.();
    };
    socket.once('end', ended);
    socket.once('close', ended);
    // An error is followed by 'close'; whoever waits for a line then learns of it.
    socket.on('error', () => {});
  }

  /** Connects and reads the greeting. */
  static async open(path: string): Promise<RawClient> {
    const socket = connect({ path, allowHalfOpen: true });
    const client = new RawClient(socket);
    await client.line();
    return client;
  }

  /** The next line. @throws Error when the session ends first. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#pending.indexOf('\n');
      if (end >= 0) {
        const line = this.#pending.slice(0, end);
        this.#pending = this.#pending.slice(end + 1);
        return line;
      }
      if (this.#ended) throw new Error('the control session ended');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async command(line: string): Promise<string> {
    this.socket.write(`${line}\n`);
    return this.line();
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Submits a unit and returns its ID; a payload is written in chunks of 1 MiB. */
export async function submit(
  socket: string,
  workType: string,
  payload: Buffer | number = 0,
  node = 'localhost',
): Promise<string> {
  const client = await RawClient.open(socket);
  const first = await client.command(`work submit ${node} ${workType}`);
  const id = /ID ([A-Za-z0-9]+)\./.exec(first)?.[1];
  if (id === undefined) throw new Error(first);
  if (typeof payload === 'number') {
    const chunk = Buffer.alloc(1 << 20, 'x');
    for (let sent = 0; sent < payload; sent += chunk.length) {
      if (!client.socket.write(chunk.subarray(0, payload - sent))) await once(client.socket, 'drain');
    }
    client.socket.end();
  } else {
    client.socket.end(payload);
  }
  const second = await client.line();
  if (!second.includes('Job Started')) throw new Error(second);
  client.close();
  return id;
}

/** What was read of a unit's results. */
export interface Results {
  bytes: number;
  lines: number;
  /** Whether the daemon has ended it, and not the limit. */
  whole: boolean;
  /** From the first byte to the last. */
  seconds: number;
}

/** Reads a unit's results to their end, or for so many seconds at most; through `connect` when a node is named. */
export async function readResults(
  socket: string,
  id: string,
  limitSeconds = 60,
  node?: string,
): Promise<Results> {
  const connection = connect({ path: socket, allowHalfOpen: true });
  if (node !== undefined) connection.write(`connect ${node} control\n`);
  connection.write(`work results ${id}\n`);
  // The greeting and the announcement; of a connection to another node there are both, too.
  const expectedLines = node === undefined ? 2 : 4;
  let whole = false;
  const limit = setTimeout(() => connection.destroy(), limitSeconds * 1000);
  connection.once('end', () => {
    whole = true;
    connection.destroy();
  });
  let header = '';
  let headerLines = 0;
  let bytes = 0;
  let lines = 0;
  let began: number | undefined;
  let ended = 0;
  connection.on('data', (chunk: Buffer) => {
    let body = chunk;
    while (headerLines < expectedLines) {
      const end = body.indexOf(10);
      if (end < 0) {
        header += body.toString('latin1');
        body = Buffer.alloc(0);
        break;
      }
      header += body.toString('latin1', 0, end + 1);
      headerLines += 1;
      body = body.subarray(end + 1);
    }
    if (body.length === 0) return;
    bytes += body.length;
    for (let at = body.indexOf(10); at >= 0; at = body.indexOf(10, at + 1)) lines += 1;
    ended = performance.now();
    began ??= ended;
  });
  await once(connection, 'close');
  clearTimeout(limit);
  if (!header.includes('Streaming results')) throw new Error(header);
  return { bytes, lines, whole, seconds: (ended - (began ?? ended)) / 1000 };
}

/** Waits until a unit is complete, by asking for its status over and over. @throws Error when it does not end */
export async function untilComplete(client: RawClient, id: string): Promise<void> {
  const since = performance.now();
  for (;;) {
    const { State } = JSON.parse(await client.command(`work status ${id}`)) as { State: number };
    if (State >= 2) return;
    if (performance.now() - since > PATIENCE_MS) throw new Error(`unit ${id} does not end`);
    await delay(2);
  }
}

/** Cancels and removes units, all at once. */
export async function releaseAll(socket: string, ids: readonly string[]): Promise<void> {
  await Promise.all(
    ids.map(async (id) => {
      const client = await RawClient.open(socket);
      await client.command(`work release ${id}`);
      client.close();
    }),
  );
}
