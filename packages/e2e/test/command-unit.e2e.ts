import { createHash, randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import {
  type DaemonProcess,
  goReceptor,
  type Outcome,
  type Program,
  receptorctl,
  run,
  startDaemon,
  temporaryDirectory,
} from '@receptor/e2e';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const SECTIONS = [
  { 'work-command': { worktype: 'cat', command: 'cat' } },
  { 'work-command': { worktype: 'fail', command: 'sh', params: `-c "echo before; exit 7"` } },
  {
    'work-command': { worktype: 'once', command: 'sh', params: `-c "echo begun; cat; sleep 2; echo ended"` },
  },
  { 'work-command': { worktype: 'endless', command: 'sleep', params: '300' } },
];

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let daemon: DaemonProcess;

const start = async (program?: Program) => {
  daemon = await startDaemon({ directory: directory.path, sections: SECTIONS, ...(program && { program }) });
};

beforeEach(async () => {
  directory = await temporaryDirectory();
  await start();
});

afterEach(async () => {
  await daemon.kill();
  await directory.remove();
});

const ctl = (...args: string[]) => run(receptorctl, ['--socket', daemon.socket, ...args]);

const idOf = (outcome: Outcome) => {
  const id = /Unit ID: ([A-Za-z0-9]+)/.exec(outcome.stdout.toString())?.[1];
  if (id === undefined) throw new Error(`no unit: ${outcome.stdout}${outcome.stderr}`);
  return id;
};

const statusOf = async (id: string): Promise<{ State: number; Detail: string; StdoutSize: number }> => {
  const units = JSON.parse((await ctl('work', 'list', '--unit_id', id)).stdout.toString());
  return units[id];
};

describe('a command unit, from the shell', () => {
  test('gives back every byte of a binary payload', async () => {
    const payload = randomBytes(20_000_003);
    const outcome = await run(
      receptorctl,
      ['--socket', daemon.socket, 'work', 'submit', 'cat', '-p', '-', '-f', '--rm'],
      {
        input: payload,
      },
    );
    expect(outcome.stderr.toString()).toBe('');
    expect(outcome.code).toBe(0);
    const output = outcome.stdout.subarray(0, payload.length);
    expect(createHash('sha256').update(output).digest('hex')).toBe(
      createHash('sha256').update(payload).digest('hex'),
    );
    expect(outcome.stdout.subarray(payload.length).toString()).toMatch(/^\([A-Za-z0-9]{8}, released\)\n$/);
    expect(await readdir(daemon.unitsDirectory)).toEqual([]);
  });

  test('that fails is reported with its exit status, its output first', async () => {
    const outcome = await ctl('work', 'submit', 'fail', '-n', '-f');
    expect(outcome.stdout.toString()).toBe('before\n');
    expect(outcome.stderr.toString()).toContain('ERROR: Remote unit failed: exit status 7');
    expect(outcome.code).toBe(1);
  });

  test('that is cancelled ends, and says so', async () => {
    const id = idOf(await ctl('work', 'submit', 'endless', '-n'));
    const outcome = await ctl('work', 'cancel', id);
    expect(outcome.stdout.toString()).toBe(`Cancelled:\n(${id}, cancelled)\n`);
    expect(await statusOf(id)).toMatchObject({ State: 4 });
  });

  test('keeps its files to its owner', async () => {
    const id = idOf(await ctl('work', 'submit', 'cat', '-l', 'secret'));
    await ctl('work', 'results', id);
    const unit = join(daemon.unitsDirectory, id);
    expect((await stat(unit)).mode & 0o777).toBe(0o700);
    for (const file of await readdir(unit)) expect((await stat(join(unit, file))).mode & 0o077).toBe(0);
  });
});

describe('a daemon that is killed', () => {
  test('finds its running unit again: run once, its output whole, its end known', async () => {
    const id = idOf(await ctl('work', 'submit', 'once', '-l', 'payload'));
    await daemon.kill();
    await start();
    const results = await ctl('work', 'results', id);
    expect(results.stdout.toString()).toBe('begun\npayload\nended\n');
    expect(results.code).toBe(0);
    expect(await statusOf(id)).toMatchObject({ State: 2, Detail: 'exit status 0' });
  });

  test('is replaced by another on the same socket', async () => {
    await daemon.kill();
    await start();
    expect((await ctl('status')).code).toBe(0);
  });
});

describe('a client that vanishes in the middle of a payload', () => {
  test('leaves a unit that has failed without being run', async () => {
    const socket = connect(daemon.socket);
    socket.on('error', () => {});
    socket.write('work submit localhost cat\nhalf a payl');
    const id = await new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
        const found = /with ID ([A-Za-z0-9]+)\./.exec(text)?.[1];
        if (found) resolve(found);
      });
    });
    socket.destroy();
    await expect.poll(async () => (await statusOf(id)).State).toBe(3);
    const unit = await statusOf(id);
    expect(unit.StdoutSize).toBe(0);
    expect(unit.Detail).toMatch(/vanished|disconnected|client/i);
  });
});

describe.skipIf(!goReceptor)('a Go daemon in the same data directory', () => {
  test('leaves units that ours shows and reads', async () => {
    await daemon.stop();
    await start(goReceptor);
    const id = idOf(await ctl('work', 'submit', 'cat', '-l', 'from Go'));
    await ctl('work', 'results', id);
    await daemon.kill();
    await start();
    expect((await ctl('work', 'results', id)).stdout.toString()).toBe('from Go\n');
    expect(await statusOf(id)).toMatchObject({ State: 2 });
  });
});

test('the control socket is for its owner only', async () => {
  expect((await stat(daemon.socket)).mode & 0o777).toBe(0o600);
});
