import { describe, expect, it } from 'vitest';
import { ReceptorClient } from '../src/index.js';
import { eachTest, failure, type ScriptedServer } from './scripted-server.js';
import { exchanges } from './vectors.js';

let server: ScriptedServer;
let client: ReceptorClient;

eachTest((...made) => {
  [server, client] = made;
});

describe('a command', () => {
  it.each(['ping', 'traceroute'] as const)('%s gives what the captured daemon answered', async (name) => {
    const replies = new Map(exchanges(name).map(({ sent, received }) => [sent, received]));
    await server.serve(async (peer) => {
      for (let line = await peer.line(); line !== undefined; line = await peer.line())
        peer.socket.write(replies.get(line) ?? 'ERROR: not captured\n');
    });
    for (const target of ['foo', 'bar', 'nosuch'])
      expect(await client[name](target)).toEqual(JSON.parse(replies.get(`${name} ${target}\n`) ?? ''));
    expect(server.connections).toBe(1);
  });

  it('reads a reply that comes in single bytes, together with the greeting or in one piece', async () => {
    await server.serve(async (peer) => {
      await peer.line();
      for (const byte of Buffer.from('{"NodeID":"é"}\n')) {
        peer.socket.write(Buffer.of(byte));
        await new Promise(setImmediate);
      }
    });
    expect(await client.status({ fields: ['NodeID'] })).toEqual({ NodeID: 'é' });
  });

  it('fails with the code of what the server answered, and the connection goes on', async () => {
    await server.serve(async (peer) => {
      while (await peer.line()) peer.socket.write('ERROR: unknown work unit x\n');
    });
    for (let i = 0; i < 2; i++)
      expect(await failure(client.workStatus('x'))).toMatchObject({
        code: 'RECEPTOR_UNKNOWN_UNIT',
        message: 'unknown work unit x',
      });
    expect(server.connections).toBe(1);
  });

  it('fails when the server goes before it has answered, and connects again for the next', async () => {
    await server.serve(async (peer) => {
      await peer.line();
      if (server.connections > 1) peer.socket.write('{"cancelled":"x"}\n');
      else peer.socket.write('{"cancel');
    });
    expect(await failure(client.cancelWork('x'))).toMatchObject({ code: 'RECEPTOR_CONNECTION_LOST' });
    expect(await client.cancelWork('x')).toEqual({ cancelled: 'x' });
  });

  it('refuses a reply that is too long or not of the protocol', async () => {
    await server.serve(async (peer) => {
      await peer.line();
      peer.socket.write(server.connections === 1 ? 'x'.repeat(2000) : '[1]\n');
    });
    client = new ReceptorClient(server.path, { maxReply: 1000 });
    expect(await failure(client.reload())).toMatchObject({ code: 'RECEPTOR_PROTOCOL' });
    expect(await failure(client.reload())).toMatchObject({ code: 'RECEPTOR_PROTOCOL' });
  });

  it('ends with its signal, and so does its connection', async () => {
    const gone = new Promise<void>((resolve) => {
      void server.serve(async (peer) => {
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
      message: `Socket path does not exist: ${server.path}`,
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

  it('is given up when the server says nothing', async () => {
    await server.serve((peer) => peer.rest().then(() => {}), '');
    client = new ReceptorClient(server.path, { connectTimeoutMs: 20 });
    expect(await failure(client.connect())).toMatchObject({
      code: 'RECEPTOR_CONNECT_FAILED',
      message: `Could not connect to socket ${server.path}: the control service said nothing for 0.02 s`,
    });
    await expect.poll(() => server.open).toBe(0);
  });
});

describe('a connection that was kept', () => {
  /** A server that answers each connection once, and closes it when the second command is there. */
  const forgetful = async (heard: string[]) =>
    server.serve(async (peer) => {
      heard.push((await peer.line()) ?? '');
      peer.socket.write('{"released":"u"}\n');
      const second = await peer.line();
      if (second !== undefined) heard.push(`lost ${second}`);
    });

  it('and is closed at the wrong moment is no loss', async () => {
    const heard: string[] = [];
    await forgetful(heard);
    for (let i = 0; i < 3; i++) expect(await client.releaseWork('u')).toEqual({ released: 'u' });
    expect(heard.map((line) => line.trim())).toEqual([
      'work release u',
      'lost work release u',
      'work release u',
      'lost work release u',
      'work release u',
    ]);
  });

  it('and is closed at the wrong moment is a loss for a submit, which might have made a unit', async () => {
    const heard: string[] = [];
    await forgetful(heard);
    await client.releaseWork('u');
    expect(await failure(client.submitWork({ workType: 'cat' }))).toMatchObject({
      code: 'RECEPTOR_CONNECTION_LOST',
    });
    expect(heard).toHaveLength(2);
  });
});
