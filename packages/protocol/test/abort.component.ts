import { getEventListeners, once } from 'node:events';
import { duplexPair, Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type CallOptions, ReceptorClient } from '../src/index.js';
import { eachTest, failure, type ScriptedServer } from './scripted-server.js';

let server: ScriptedServer;
let client: ReceptorClient;

eachTest((...made) => {
  [server, client] = made;
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
