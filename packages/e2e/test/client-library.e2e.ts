import { createHash, randomBytes } from 'node:crypto';
import { type DaemonProcess, startDaemon, temporaryDirectory } from '@receptor/e2e';
import { ReceptorClient } from '@receptor/protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runReadmeExample } from '../../protocol/test/readme-example.js';

const SECTIONS = [
  { 'work-command': { worktype: 'cat', command: 'cat' } },
  {
    'work-command': {
      worktype: 'slow',
      command: 'sh',
      params: `-c "i=0; while [ $i -lt 40 ]; do i=$((i+1)); seq $i 20000; sleep 0.1; done"`,
    },
  },
];

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let daemon: DaemonProcess;
let client: ReceptorClient;

const start = async () => {
  daemon = await startDaemon({ directory: directory.path, sections: SECTIONS });
};
beforeEach(async () => {
  directory = await temporaryDirectory();
  await start();
  client = new ReceptorClient(daemon.socket);
});
afterEach(async () => {
  client.close();
  await daemon.kill();
  await directory.remove();
});

describe('the client library, with our daemon', () => {
  test('runs the example of its README', async () => {
    expect(await runReadmeExample(directory.path, daemon.socket)).toEqual({
      stdout: 'Hello from the mesh\n',
      stderr: '',
    });
  });

  test('brings every byte there and back', async () => {
    const payload = randomBytes(20_000_003);
    const { unitid } = await client.submitWork({ workType: 'cat', payload });
    const results = client.results(unitid, { startPos: 7 });
    expect(Buffer.concat(await results.toArray()).equals(payload.subarray(7))).toBe(true);
    expect(results.unit).toMatchObject({ StateName: 'Succeeded', StdoutSize: payload.length });
    expect(await client.releaseWork(unitid)).toEqual({ released: unitid });
    expect(await client.workList()).toEqual({});
  });

  test('follows a unit on through the crashes of the daemon', async () => {
    const { unitid } = await client.submitWork({ workType: 'slow' });
    const hash = createHash('sha256');
    let length = 0;
    let crashes = 0;
    for await (const piece of client.results(unitid)) {
      hash.update(piece);
      length += piece.length;
      if (length > (crashes + 1) * 1_000_000 && crashes < 3) {
        crashes += 1;
        await daemon.kill();
        await start();
      }
    }
    expect(crashes).toBe(3);
    const lines = Array.from({ length: 40 }, (_, i) =>
      Array.from({ length: 20_000 - i }, (_, j) => `${i + 1 + j}\n`).join(''),
    );
    const whole = lines.join('');
    expect(length).toBe(whole.length);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(whole).digest('hex'));
  });

  test('knows every error of the daemon by its code', async () => {
    await expect(client.submitWork({ workType: 'nosuch' })).rejects.toMatchObject({
      code: 'RECEPTOR_UNKNOWN_WORK_TYPE',
    });
    await expect(client.submitWork({ workType: 'cat', parameters: { params: 'x' } })).rejects.toMatchObject({
      code: 'RECEPTOR_PARAMETER_NOT_ALLOWED',
    });
    await expect(client.workStatus('nosuch')).rejects.toMatchObject({ code: 'RECEPTOR_UNKNOWN_UNIT' });
    expect(await client.ping('nosuch')).toEqual({ Success: false, Error: 'no route to node' });
  });
});
