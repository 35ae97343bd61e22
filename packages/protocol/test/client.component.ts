import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReceptorClient, type ReceptorError } from '../src/index.js';
import { exchanges, steps } from './vectors.js';

let directory: string;
let path: string;
let server: Server | undefined;
let client: ReceptorClient;
const sockets = new Set<Socket>();
/** The number of connections made so far. */
let connections = 0;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'receptor-client-'));
  path = join(directory, 's');
  connections = 0;
  client = new ReceptorClient(path);
});
afterEach(async () => {
  client.close();
  for (const socket of sockets) socket.destroy();
  server?.close();
  await rm(directory, { recursive: true });
});

/** Serves every connection with the greeting and a conversation. */
async function serve(talk: (peer: Peer) => Promise<void>): Promise<void> {
  server = createServer({ allowHalfOpen: true }, (socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.write('Receptor Control, node foo\n');
    talk(new Peer(socket)).then(
      () => socket.end(),
      () => socket.destroy(),
    );
  });
  server.listen(path);
  await once(server, 'listening');
}

/** The server's side of a connection. */
class Peer {
  readonly socket: Socket;
  readonly #chunks: AsyncIterator<Buffer>;
  #text = '';

  constructor(socket: Socket) {
    this.socket = socket;
    this.#chunks = socket.iterator({ destroyOnReturn: false });
  }

  /** The next line; undefined at the end. */
  async line(): Promise<string | undefined> {
    while (!this.#text.includes('\n')) {
      const { done, value } = await this.#chunks.next();
      if (done) return undefined;
      this.#text += value.toString('latin1');
    }
    const end = this.#text.indexOf('\n') + 1;
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end);
    return line;
  }

  /** Everything up to the half-close. */
  async rest(): Promise<Buffer> {
    const parts = [Buffer.from(this.#text, 'latin1')];
    for (let next = await this.#chunks.next(); !next.done; next = await this.#chunks.next())
      parts.push(next.value);
    return Buffer.concat(parts);
  }
}

const SUCCEEDED = (size: number) =>
  `{"Detail":"exit status 0","ExtraData":null,"State":2,"StateName":"Succeeded","StdoutSize":${size},"WorkType":"cat"}\n`;

/** A daemon with one finished unit `u` of that output, whose stream is cut after so many bytes. */
function unitWith(output: Buffer, cutAfter = Number.POSITIVE_INFINITY) {
  const positions: number[] = [];
  const talk = async (peer: Peer): Promise<void> => {
    for (let line = await peer.line(); line !== undefined; line = await peer.line()) {
      if (line === 'work status u\n') peer.socket.write(SUCCEEDED(output.length));
      const [, start] = /^work results u (\d+)\n$/.exec(line) ?? [];
      if (start === undefined) continue;
      positions.push(Number(start));
      peer.socket.write('Streaming results for work unit u\n');
      const left = output.subarray(Number(start));
      peer.socket.write(left.subarray(0, cutAfter));
      return;
    }
  };
  return { talk, positions };
}

async function failure(promise: Promise<unknown>): Promise<ReceptorError> {
  return promise.then(
    () => expect.fail('did not fail'),
    (error: ReceptorError) => error,
  );
}

describe('a command', () => {
  it.each(['ping', 'traceroute'] as const)('%s gives what the captured daemon answered', async (name) => {
    const replies = new Map(exchanges(name).map(({ sent, received }) => [sent, received]));
    await serve(async (peer) => {
      for (let line = await peer.line(); line !== undefined; line = await peer.line())
        peer.socket.write(replies.get(line) ?? 'ERROR: not captured\n');
    });
    for (const target of ['foo', 'bar', 'nosuch'])
      expect(await client[name](target)).toEqual(JSON.parse(replies.get(`${name} ${target}\n`) ?? ''));
    expect(connections).toBe(1);
  });

  it('reads a reply that comes in single bytes, together with the greeting or in one piece', async () => {
    await serve(async (peer) => {
      await peer.line();
      for (const byte of Buffer.from('{"NodeID":"é"}\n')) {
        peer.socket.write(Buffer.of(byte));
        await new Promise(setImmediate);
      }
    });
    expect(await client.status({ fields: ['NodeID'] })).toEqual({ NodeID: 'é' });
  });

  it('fails with the code of what the server answered, and the connection goes on', async () => {
    await serve(async (peer) => {
      while (await peer.line()) peer.socket.write('ERROR: unknown work unit x\n');
    });
    for (let i = 0; i < 2; i++)
      expect(await failure(client.workStatus('x'))).toMatchObject({
        code: 'RECEPTOR_UNKNOWN_UNIT',
        message: 'unknown work unit x',
      });
    expect(connections).toBe(1);
  });

  it('fails when the server goes before it has answered, and connects again for the next', async () => {
    await serve(async (peer) => {
      await peer.line();
      if (connections > 1) peer.socket.write('{"cancelled":"x"}\n');
      else peer.socket.write('{"cancel');
    });
    expect(await failure(client.cancelWork('x'))).toMatchObject({ code: 'RECEPTOR_CONNECTION_LOST' });
    expect(await client.cancelWork('x')).toEqual({ cancelled: 'x' });
  });

  it('refuses a reply that is too long or not of the protocol', async () => {
    await serve(async (peer) => {
      await peer.line();
      peer.socket.write(connections === 1 ? 'x'.repeat(2000) : '[1]\n');
    });
    client = new ReceptorClient(path, { maxReply: 1000 });
    expect(await failure(client.reload())).toMatchObject({ code: 'RECEPTOR_PROTOCOL' });
    expect(await failure(client.reload())).toMatchObject({ code: 'RECEPTOR_PROTOCOL' });
  });

  it('ends with its signal, and so does its connection', async () => {
    const gone = new Promise<void>((resolve) => {
      void serve(async (peer) => {
        await peer.line();
        controller.abort();
        await peer.rest();
        resolve();
      });
    });
    const controller = new AbortController();
    await new Promise(setImmediate);
    expect(await failure(client.ping('foo', { signal: controller.signal }))).toMatchObject({
      code: 'RECEPTOR_ABORTED',
    });
    await gone;
  });
});

describe('connecting', () => {
  it('says what is missing', async () => {
    expect(await failure(client.connect())).toMatchObject({
      code: 'RECEPTOR_CONNECT_FAILED',
      message: `Socket path does not exist: ${path}`,
    });
    const refused = new ReceptorClient('tcp://127.0.0.1:1');
    expect(await failure(refused.connect())).toMatchObject({
      code: 'RECEPTOR_CONNECT_FAILED',
      message: 'Could not connect to host 127.0.0.1 port 1: nothing accepts connections there',
    });
  });

  it('refuses a server that does not greet as Receptor does', async () => {
    const other = new ReceptorClient(async () => {
      const { duplexPair } = await import('node:stream');
      const [near, far] = duplexPair();
      far.write('220 mail ready\n');
      return near;
    });
    expect(await failure(other.connect())).toMatchObject({
      code: 'RECEPTOR_PROTOCOL',
      message: 'Failed to connect to Receptor socket',
    });
  });
});

describe('a submit', () => {
  const [request, created, , , reply] = steps('submit_local_cat').slice(1);
  const accept = (received: Buffer[], then = reply?.text ?? '') =>
    serve(async (peer) => {
      const line = await peer.line();
      if (line === 'work force-release dab38HSi\n') {
        released.push(line);
        peer.socket.write('{"released":"dab38HSi"}\n');
        return;
      }
      peer.socket.write(created?.text ?? '');
      received.push(await peer.rest());
      peer.socket.write(then);
    });
  const released: string[] = [];
  beforeEach(() => {
    released.length = 0;
  });

  it('has the captured dialogue as its ground', () => {
    expect(request?.text).toBe('work submit foo cat\n');
  });

  const bytes = Buffer.alloc(300_000, 'payload');
  it.each([
    ['a string', () => 'h\u00e9llo\nworld', Buffer.from('h\u00e9llo\nworld')],
    ['bytes', () => bytes, bytes],
    ['a stream', () => Readable.from([bytes, bytes]), Buffer.concat([bytes, bytes])],
    ['an iterable', () => ['a', Buffer.from('b')], Buffer.from('ab')],
    ['nothing', () => undefined, Buffer.alloc(0)],
  ] as const)('delivers %s', async (_name, payload, expected) => {
    const received: Buffer[] = [];
    await accept(received);
    const progress: number[] = [];
    const ids: string[] = [];
    const what = payload();
    const done = await client.submitWork({
      workType: 'cat',
      ...(what !== undefined && { payload: what }),
      onUnit: (id) => ids.push(id),
      onProgress: (count) => progress.push(count),
    });
    expect(done).toEqual({ result: 'Job Started', unitid: 'dab38HSi' });
    expect(received[0]?.equals(expected)).toBe(true);
    expect(ids).toEqual(['dab38HSi']);
    expect(progress.at(-1) ?? 0).toBe(expected.length);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });

  it('delivers a file, and asks for nothing when there is none', async () => {
    const received: Buffer[] = [];
    await accept(received);
    const file = join(directory, 'payload');
    const missing = await failure(client.submitWork({ workType: 'cat', payload: { path: file } }));
    expect(missing).toMatchObject({ code: 'RECEPTOR_PAYLOAD' });
    expect(received).toEqual([]);
    await writeFile(file, bytes);
    await client.submitWork({ workType: 'cat', payload: { path: file } });
    expect(received[0]?.equals(bytes)).toBe(true);
  });

  it('fails with the text of a unit that did not start', async () => {
    await accept([], 'ERROR: fork failed\n');
    expect(await failure(client.submitWork({ workType: 'cat' }))).toMatchObject({
      code: 'RECEPTOR_WORK_START_FAILED',
      message: 'fork failed',
    });
  });

  it('removes the unit before it hangs up when the payload fails half way', async () => {
    await accept([]);
    const payload = (async function* () {
      yield 'half';
      throw new Error('disk on fire');
    })();
    expect(await failure(client.submitWork({ workType: 'cat', payload }))).toMatchObject({
      code: 'RECEPTOR_PAYLOAD',
      message: 'could not read the payload: disk on fire',
    });
    expect(released).toEqual(['work force-release dab38HSi\n']);
  });

  it('removes the unit when it is aborted while its payload waits', async () => {
    await accept([]);
    const controller = new AbortController();
    const payload = new Readable({ read() {} });
    payload.push('half');
    const submitted = client.submitWork({
      workType: 'cat',
      payload,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    expect(await failure(submitted)).toMatchObject({ code: 'RECEPTOR_ABORTED' });
    expect(released).toEqual(['work force-release dab38HSi\n']);
    expect(payload.destroyed).toBe(true);
  });

  it('does not read more of a payload than the server takes', async () => {
    let produced = 0;
    await serve(async (peer) => {
      const line = await peer.line();
      peer.socket.write(
        line?.startsWith('work force-release') ? '{"released":"x"}\n' : (created?.text ?? ''),
      );
      peer.socket.pause();
      await once(peer.socket, 'close');
    });
    const controller = new AbortController();
    const payload = (async function* () {
      for (;;) {
        produced++;
        yield Buffer.alloc(65_536);
      }
    })();
    let last = 0;
    const watch = setInterval(() => {
      if (last === produced && produced > 0) controller.abort();
      last = produced;
    }, 50);
    await failure(client.submitWork({ workType: 'cat', payload, signal: controller.signal }));
    clearInterval(watch);
    expect(produced).toBeLessThan(200);
  });
});

describe('results', () => {
  const output = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7) % 256));

  it('are all of the output, and end with the unit', async () => {
    const unit = unitWith(output);
    await serve(unit.talk);
    const stream = client.results('u');
    expect(Buffer.concat(await stream.toArray()).equals(output)).toBe(true);
    expect(stream.unit).toMatchObject({ State: 2, StdoutSize: output.length });
  });

  it('begin where they are told to', async () => {
    const unit = unitWith(output);
    await serve(unit.talk);
    const parts = await client.results('u', { startPos: 99_990 }).toArray();
    expect(Buffer.concat(parts).equals(output.subarray(99_990))).toBe(true);
    expect(await client.results('u', { startPos: 200_000 }).toArray()).toEqual([]);
  });

  it('go on where they were when the connection drops', async () => {
    const unit = unitWith(output, 30_000);
    await serve(unit.talk);
    const parts = await client.results('u', { retryDelayMs: 1 }).toArray();
    expect(Buffer.concat(parts).equals(output)).toBe(true);
    expect(unit.positions).toEqual([0, 30_000, 60_000, 90_000]);
  });

  it('fail rather than end when the rest never comes', async () => {
    const unit = unitWith(output, 0);
    await serve(unit.talk);
    const reading = client.results('u', { retryDelayMs: 1, attempts: 3 }).toArray();
    expect(await failure(reading)).toMatchObject({ code: 'RECEPTOR_PROTOCOL' });
    expect(unit.positions).toEqual([0, 0, 0]);
  });

  it('end for a cancelled unit whose stream the daemon leaves open', async () => {
    await serve(async (peer) => {
      for (let line = await peer.line(); line !== undefined; line = await peer.line())
        peer.socket.write(
          line === 'work status u\n'
            ? SUCCEEDED(5).replace('"State":2', '"State":4')
            : 'Streaming results for work unit u\nbegun',
        );
    });
    expect(Buffer.concat(await client.results('u', { quietMs: 20 }).toArray()).toString()).toBe('begun');
  });

  it('of a unit that is not there fail', async () => {
    await serve(async (peer) => {
      while (await peer.line()) peer.socket.write('ERROR: unknown work unit u\n');
    });
    expect(await failure(client.results('u').toArray())).toMatchObject({ code: 'RECEPTOR_UNKNOWN_UNIT' });
    expect(() => client.results('../u')).toThrow('unknown work unit ../u');
    expect(() => client.results('u', { startPos: -1 })).toThrow('-1 is no start position');
  });

  it('end with their signal, with the client, and with who reads them', async () => {
    let open = 0;
    await serve(async (peer) => {
      await peer.line();
      open++;
      peer.socket.write('Streaming results for work unit u\nx');
      await peer.rest();
      open--;
    });
    const controller = new AbortController();
    const first = client.results('u', { signal: controller.signal });
    first.once('data', () => controller.abort());
    expect(await failure(once(first, 'end'))).toMatchObject({ code: 'RECEPTOR_ABORTED' });
    for await (const piece of client.results('u')) {
      expect(piece.toString()).toBe('x');
      break;
    }
    const third = client.results('u');
    third.once('data', () => client.close());
    expect(await failure(once(third, 'end'))).toMatchObject({ message: 'the client was closed' });
    while (open > 0) await new Promise(setImmediate);
  });
});
