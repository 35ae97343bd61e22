import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';

/** A client of the control service that sees every byte. */
export class Client {
  readonly socket: Socket;
  #received: Buffer[] = [];
  #ended = false;
  #error: Error | undefined;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.#received.push(chunk);
      this.#wake();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
    socket.on('error', (error) => {
      this.#error = error;
      this.#wake();
    });
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** @param address a path, or `host:port`; the host of a wildcard is taken as this machine */
  static async connect(address: string): Promise<Client> {
    const port = /:([0-9]+)$/.exec(address)?.[1];
    const socket = createConnection(
      port
        ? { host: '127.0.0.1', port: Number(port), allowHalfOpen: true }
        : { path: address, allowHalfOpen: true },
    );
    const client = new Client(socket);
    await once(socket, 'connect');
    return client;
  }

  /** Connects and reads the greeting. */
  static async greeted(address: string): Promise<Client> {
    const client = await Client.connect(address);
    await client.line();
    return client;
  }

  send(data: string | Buffer): void {
    this.socket.write(data);
  }

  /** The next line with its newline; what there is where the connection ends before. */
  async line(): Promise<string> {
    for (;;) {
      const all = Buffer.concat(this.#received);
      const end = all.indexOf(10) + 1;
      if (end > 0) {
        this.#received = [all.subarray(end)];
        return all.toString('utf8', 0, end);
      }
      if (this.#ended || this.#error) {
        this.#received = [];
        return all.toString();
      }
      await this.#more();
    }
  }

  /** Everything up to the end of the connection. */
  async rest(): Promise<Buffer> {
    while (!this.#ended && !this.#error) await this.#more();
    const all = Buffer.concat(this.#received);
    this.#received = [];
    return all;
  }

  /** Sends a command and reads its reply of one line. */
  async ask(command: string): Promise<string> {
    this.send(`${command}\n`);
    return this.line();
  }

  /** Closes the sending side only. */
  endInput(): void {
    this.socket.end();
  }

  /** Is gone at once. */
  vanish(): void {
    this.socket.destroy();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** Submits a unit of a work type of node foo with a payload; returns its ID. */
export async function submit(
  address: string,
  workType: string,
  payload: string | Buffer = '',
): Promise<string> {
  const client = await Client.greeted(address);
  const created = await client.ask(`work submit foo ${workType}`);
  client.send(payload);
  client.endInput();
  await client.rest();
  return /with ID (\w+)\./.exec(created)?.[1] ?? '';
}

/** Waits until a unit's state has the name. */
export async function reached(address: string, unitId: string, state: string): Promise<string> {
  const client = await Client.greeted(address);
  try {
    for (;;) {
      const reply = await client.ask(`work status ${unitId}`);
      if (reply.includes(`"StateName":"${state}"`)) return reply;
      if (reply.startsWith('ERROR')) throw new Error(reply);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  } finally {
    client.vanish();
  }
}
