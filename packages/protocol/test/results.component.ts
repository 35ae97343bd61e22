import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { ReceptorClient } from '../src/index.js';
import { eachTest, failure, type Peer, type ScriptedServer, SUCCEEDED } from './scripted-server.js';

let server: ScriptedServer;
let client: ReceptorClient;

eachTest((...made) => {
  [server, client] = made;
});

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

describe('results', () => {
  const output = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7) % 256));

  it('are all of the output, and end with the unit', async () => {
    const unit = unitWith(output);
    await server.serve(unit.talk);
    const stream = client.results('u');
    expect(Buffer.concat(await stream.toArray()).equals(output)).toBe(true);
    expect(stream.unit).toMatchObject({ State: 2, StdoutSize: output.length });
  });

  it('begin where they are told to', async () => {
    const unit = unitWith(output);
    await server.serve(unit.talk);
    const parts = await client.results('u', { startPos: 99_990 }).toArray();
    expect(Buffer.concat(parts).equals(output.subarray(99_990))).toBe(true);
    expect(await client.results('u', { startPos: 200_000 }).toArray()).toEqual([]);
  });

  it('go on where they were when the connection drops', async () => {
    const unit = unitWith(output, 30_000);
    await server.serve(unit.talk);
    const parts = await client.results('u', { retryDelayMs: 1 }).toArray();
    expect(Buffer.concat(parts).equals(output)).toBe(true);
    expect(unit.positions).toEqual([0, 30_000, 60_000, 90_000]);
  });

  it('fail rather than end when the rest never comes', async () => {
    const unit = unitWith(output, 0);
    await server.serve(unit.talk);
    const reading = client.results('u', { retryDelayMs: 1, attempts: 3 }).toArray();
    expect(await failure(reading)).toMatchObject({ code: 'RECEPTOR_PROTOCOL' });
    expect(unit.positions).toEqual([0, 0, 0]);
  });

  it('end for a cancelled unit whose stream the daemon leaves open', async () => {
    await server.serve(async (peer) => {
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
    await server.serve(async (peer) => {
      while (await peer.line()) peer.socket.write('ERROR: unknown work unit u\n');
    });
    expect(await failure(client.results('u').toArray())).toMatchObject({ code: 'RECEPTOR_UNKNOWN_UNIT' });
    expect(() => client.results('../u')).toThrow('unknown work unit ../u');
    expect(() => client.results('u', { startPos: -1 })).toThrow('-1 is no start position');
  });

  it('end with their signal, with the client, and with who reads them', async () => {
    let open = 0;
    await server.serve(async (peer) => {
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
