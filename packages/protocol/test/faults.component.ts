import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReceptorClient } from '../src/index.js';
import { eachTest, failure, type Peer, ScriptedServer, SUCCEEDED } from './scripted-server.js';

let server: ScriptedServer;
let client: ReceptorClient;

eachTest((...made) => {
  [server, client] = made;
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
      fc.asyncProperty(fc.array(fault, { maxLength: 8 }), fc.nat(output.length), async (faults, startPos) => {
        await using faulty = await ScriptedServer.create();
        // The first answer must come: a service that never answered is not there.
        await faulty.serve(failing(output, [{ kind: 'in the output', after: 10, reset: false }, ...faults]));
        using reader = new ReceptorClient(faulty.path);
        const results = reader.results('u', { startPos, retryDelayMs: 1 });
        const received = Buffer.concat(await results.toArray());
        expect(received.equals(output.subarray(startPos))).toBe(true);
        expect(results.unit?.StdoutSize).toBe(output.length);
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
