import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Payload, ReceptorClient } from '../src/index.js';
import { eachTest, failure, type ScriptedServer } from './scripted-server.js';
import { steps } from './vectors.js';

let server: ScriptedServer;
let client: ReceptorClient;

eachTest((...made) => {
  [server, client] = made;
});

describe('a submit', () => {
  const [request, created, , , reply] = steps('submit_local_cat').slice(1);
  const accept = (received: Buffer[], then = reply?.text ?? '') =>
    server.serve(async (peer) => {
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
  it.each<readonly [string, () => Payload | undefined, Buffer]>([
    ['a string', () => 'h\u00e9llo\nworld', Buffer.from('h\u00e9llo\nworld')],
    ['bytes', () => bytes, bytes],
    ['a stream', () => Readable.from([bytes, bytes]), Buffer.concat([bytes, bytes])],
    ['an iterable', () => ['a', Buffer.from('b')], Buffer.from('ab')],
    ['nothing', () => undefined, Buffer.alloc(0)],
  ])('delivers %s', async (_name, payload, expected) => {
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
    const file = join(server.directory, 'payload');
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
    await server.serve(async (peer) => {
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
