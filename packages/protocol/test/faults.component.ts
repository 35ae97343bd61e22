import { getEventListeners, once } from 'node:events';
import { duplexPair, Readable } from 'node:stream';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CallOptions, ReceptorClient } from '../src/index.js';
import { failure, type Peer, ScriptedServer, SUCCEEDED } from './scripted-server.js';

let server: ScriptedServer;
let client: ReceptorClient;

beforeEach(async () => {
  server = await ScriptedServer.create();
  client = new ReceptorClient(server.path);
});
afterEach(async () => {
  client.close();
  await server[Symbol.asyncDispose]();
});

/** How a connection fails. */
type Fault =
  | { kind: 'in the output'; after: number; reset: boolean }
  | {
      kind: 'in the line before the output' | 'instead of an answer' | 'in the status';
    };

const fault: fc.Arbitrary<Fault> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('in the output' as const),
      after: fc.nat(400_000),
      reset: fc.boolean(),
    }),
  },
  fc.record({
    kind: fc.constantFrom(
      'in the line before the output' as const,
      'instead of an answer' as const,
      'in the status' as const,
    ),
  }),
);

/** Serves a unit `u` whose connections fail one after another, and then no more. */
function failing(output: Buffer, faults: readonly Fault[]) {
  let next = 0;
  return async (peer: Peer): Promise<void> => {
    for (let line = await peer.line(); line !== undefined; line = await peer.line()) {
      const [, start] = /^work results u (\d+)\n$/.exec(line) ?? [];
      const now = faults[next];
      const hits = now !== undefined && (start === undefined) === (now.kind === 'in the status');
      if (hits) next++;
      if (start === undefined) {
        peer.socket.write(hits ? '{"Detail":"' : SUCCEEDED(output.length));
        if (hits) return;
        continue;
      }
      if (hits && now.kind === 'instead of an answer') return;
      if (hits && now.kind === 'in the line before the output') {
        peer.socket.write('Streaming resul');
        return;
      }
      peer.socket.write('Streaming results for work unit u\n');
      const rest = output.subarray(Number(start));
      if (!hits || now.kind !== 'in the output') {
        peer.socket.write(rest);
        return;
      }
      await new Promise((resolve) => peer.socket.write(rest.subarray(0, now.after), resolve));
      if (now.reset) throw new Error('cut');
      return;
    }
  };
}

describe('a long result', () => {
  const output = Buffer.from(Array.from({ length: 2_000_000 }, (_, i) => (i * 31 + (i >> 7)) % 256));

  it('is whole and in order, wherever and however its connections fail', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc
        .asyncProperty(
          // The first answer must come: a service that never answered is not there.
          fc.array(fault, { maxLength: 8 }),
          fc.nat(output.length),
          async (faults, startPos) => {
            const first: Fault = { kind: 'in the output', after: 10, reset: false };
            await server.serve(failing(output, [first, ...faults]));
            const results = client.results('u', { startPos, retryDelayMs: 1 });
            const received = Buffer.concat(await results.toArray());
            expect(received.equals(output.subarray(startPos))).toBe(true);
            expect(results.unit?.StdoutSize).toBe(output.length);
          },
        )
        .afterEach(async () => {
          client.close();
          await server[Symbol.asyncDispose]();
          server = await ScriptedServer.create();
          client = new ReceptorClient(server.path);
        }),
      { numRuns: 40 },
    );
  });

  it('that cannot be resumed says how far it came', async () => {
    let served = 0;
    await server.serve(async (peer) => {
      await peer.line();
      if (served++ > 0) return;
      peer.socket.write('Streaming results for work unit u\n12345');
    });
    expect(await failure(client.results('u', { retryDelayMs: 1, attempts: 3 }).toArray())).toMatchObject({
      code: 'RECEPTOR_CONNECTION_LOST',
      message:
        'the results broke off at byte 5, and could not be resumed: the connection to the control service ended before the reply was complete',
    });
  });
});

describe('an abort leaves nothing behind', () => {
  const calls: Record<string, (options: CallOptions) => Promise<unknown>> = {
    connect: (options) => client.connect(options),
    status: (options) => client.status(options),
    ping: (options) => client.ping('x', options),
    traceroute: (options) => client.traceroute('x', options),
    reload: (options) => client.reload(options),
    connectService: (options) => client.connectService('x', 'y', options),
    submitWork: (options) =>
      client.submitWork({ workType: 'x', payload: new Readable({ read() {} }), ...options }),
    workStatus: (options) => client.workStatus('u', options),
    workList: (options) => client.workList(options),
    cancelWork: (options) => client.cancelWork('u', options),
    releaseWork: (options) => client.releaseWork('u', options),
    results: (options) => client.results('u', options).toArray(),
  };
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

  async function leavesNothing(call: Promise<unknown>, signal: AbortSignal, before: number): Promise<void> {
    expect(await failure(call)).toMatchObject({ code: 'RECEPTOR_ABORTED' });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    // What is kept for the next call goes with the client.
    client.close();
    await expect.poll(() => server.open).toBe(0);
    await expect.poll(timers).toBeLessThanOrEqual(before);
  }

  describe.each(Object.entries(calls))('%s', (name, call) => {
    it('when it was aborted before', async () => {
      await server.serve(() => Promise.resolve());
      const before = timers();
      const signal = AbortSignal.abort();
      await leavesNothing(call({ signal }), signal, before);
      expect(server.connections).toBe(0);
    });

    it('while it connects', async () => {
      const { signal, controller } = abortable();
      client = new ReceptorClient(
        (ending) =>
          new Promise((_, reject) => {
            ending?.addEventListener('abort', () => reject(new Error('stopped')), { once: true });
            controller.abort();
          }),
      );
      await leavesNothing(call({ signal }), signal, timers());
    });

    it('while the greeting does not come', async () => {
      const { signal, controller } = abortable();
      const [near, far] = duplexPair();
      client = new ReceptorClient(async () => {
        setImmediate(() => controller.abort());
        return near;
      });
      await leavesNothing(call({ signal }), signal, timers());
      far.destroy();
      expect(near.destroyed).toBe(true);
    });

    it.skipIf(name === 'connect')('while it waits for its answer', async () => {
      const { signal, controller } = abortable();
      const heard: string[] = [];
      await server.serve(async (peer) => {
        heard.push((await peer.line()) ?? '');
        if (heard.length > 1) peer.socket.write('{"released":"abcd"}\n');
        else controller.abort();
        // A submit waits for the ID of its unit, so that it can take the unit back.
        if (name === 'submitWork' && heard.length === 1)
          peer.socket.write('Work unit created with ID abcd. Send stdin data and EOF.\n');
        await peer.rest();
      });
      await leavesNothing(call({ signal }), signal, timers());
      if (name === 'submitWork') expect(heard[1]).toBe('work force-release abcd\n');
      else expect(heard).toHaveLength(1);
    });
  });

  it('while results come', async () => {
    const { signal, controller } = abortable();
    await server.serve(async (peer) => {
      await peer.line();
      peer.socket.write('Streaming results for work unit u\nx');
      await peer.rest();
    });
    const before = timers();
    const results = client.results('u', { signal });
    results.on('data', () => controller.abort());
    await leavesNothing(once(results, 'end'), signal, before);
  });

  it('nor does the end of a client, though calls were under way', async () => {
    const heard: string[] = [];
    await server.serve(async (peer) => {
      const line = (await peer.line()) ?? '';
      heard.push(line);
      if (line.includes('submit')) {
        peer.socket.write('Work unit created with ID abcd. Send stdin data and EOF.\n');
        setImmediate(() => client.close());
      }
      if (line.includes('release')) peer.socket.write('{"released":"abcd"}\n');
      await peer.rest();
    });
    const { signal } = abortable();
    const before = timers();
    const pending = [
      client.ping('x', { signal }),
      client.submitWork({ workType: 'x', payload: new Readable({ read() {} }), signal }),
    ];
    await Promise.allSettled(pending);
    for (const call of pending) await leavesNothing(call, signal, before);
    // The unit is taken back although the client is closed.
    expect(heard).toContain('work force-release abcd\n');
    expect(await failure(client.status())).toMatchObject({ message: 'the client was closed' });
  });

  it('of a submit whose payload is sent leaves the unit to run', async () => {
    const { signal, controller } = abortable();
    const heard: string[] = [];
    await server.serve(async (peer) => {
      heard.push((await peer.line()) ?? '');
      peer.socket.write('Work unit created with ID abcd. Send stdin data and EOF.\n');
      heard.push((await peer.rest()).toString());
    });
    const sent: string[] = [];
    const submit = client.submitWork({
      workType: 'x',
      payload: 'whole',
      signal,
      onSent: (id) => {
        sent.push(id);
        controller.abort();
      },
    });
    await leavesNothing(submit, signal, timers());
    expect(sent).toEqual(['abcd']);
    expect(heard.slice(1)).toEqual(['whole']);
  });

  it('though no ID of a unit ever comes', { timeout: 20_000 }, async () => {
    const { signal, controller } = abortable();
    await server.serve(async (peer) => {
      await peer.line();
      controller.abort();
      await peer.rest();
    });
    await leavesNothing(client.submitWork({ workType: 'x', signal }), signal, timers());
  });
});

function abortable() {
  const controller = new AbortController();
  return { controller, signal: controller.signal };
}

describe('a payload of 256 MiB', () => {
  const MIB = 1 << 20;

  it('goes to a slow server without being gathered on the way', { timeout: 120_000 }, async () => {
    let received = 0;
    let produced = 0;
    let ahead = 0;
    await server.serve(async (peer) => {
      await peer.line();
      peer.socket.write('Work unit created with ID abcd. Send stdin data and EOF.\n');
      for await (const chunk of peer.socket.iterator({ destroyOnReturn: false })) {
        received += (chunk as Buffer).length;
        // Slower than any client: it takes a turn of the loop for each piece it reads.
        await new Promise(setImmediate);
      }
      peer.socket.write('{"result":"Job Started","unitid":"abcd"}\n');
    });
    const payload = (function* () {
      for (let i = 0; i < 1024; i++) {
        produced += MIB / 4;
        ahead = Math.max(ahead, produced - received);
        yield Buffer.alloc(MIB / 4, i);
      }
    })();
    const before = process.memoryUsage().rss;
    let peak = before;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 10);
    await client.submitWork({ workType: 'cat', payload });
    clearInterval(watch);
    expect(received).toBe(256 * MIB);
    expect(ahead).toBeLessThan(2 * MIB);
    expect(peak - before).toBeLessThan(128 * MIB);
  });
});
