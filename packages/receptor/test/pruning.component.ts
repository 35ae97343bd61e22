import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReceptorClient } from '@receptor/protocol';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { parseArguments } from '../src/config/arguments.js';
import { type Daemon, startDaemon } from '../src/daemon.js';
import { createLogger } from '../src/logging.js';

let directory: string;
let daemon: Daemon | undefined;
let client: ReceptorClient;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'receptor-'));
});
afterEach(async () => {
  client.close();
  await daemon?.close();
  rmSync(directory, { recursive: true });
});

const file = () => join(directory, 'foo.yml');
const FORMS = {
  list: (pruning: string) =>
    `- node: {id: foo, datadir: ${directory}}\n- control-service: {filename: ${directory}/foo.sock}\n` +
    `- work-command: {worktype: cat, command: cat}\n${pruning && `- work-pruning: ${pruning}\n`}`,
  map: (pruning: string) =>
    `version: 2\nnode: {id: foo, datadir: ${directory}}\ncontrol-services: [{filename: ${directory}/foo.sock}]\n` +
    `work-commands: [{worktype: cat, command: cat}]\n${pruning && `work-pruning: ${pruning}\n`}`,
};

async function start(): Promise<void> {
  const request = await parseArguments(['-c', file()]);
  if (request.ask !== 'run') throw new Error(request.ask);
  daemon = await startDaemon(
    request,
    createLogger({ level: 'error', format: 'text', sink: { write: () => true } }),
  );
  client = new ReceptorClient(join(directory, 'foo.sock'));
}

async function end(): Promise<void> {
  client.close();
  await daemon?.close();
}

const statusOf = (id: string) => join(directory, 'foo', id, 'status');

/** A unit that ended so many hours ago. */
async function finished(hoursAgo: number): Promise<string> {
  const { unitid: unitId } = await client.submitWork({ workType: 'cat', payload: 'x' });
  await vi.waitFor(() =>
    expect(JSON.parse(readFileSync(statusOf(unitId), 'utf8'))).toMatchObject({ State: 2 }),
  );
  const time = Date.now() / 1000 - hoursAgo * 3600;
  utimesSync(statusOf(unitId), time, time);
  return unitId;
}

const areGone = (...ids: string[]) =>
  vi.waitFor(() => expect(ids.filter((id) => existsSync(statusOf(id)))).toEqual([]), { timeout: 20_000 });

it.each(Object.entries(FORMS))(
  'a daemon prunes what the section work-pruning says, in the %s form, from its start or a reload on',
  async (_name, text) => {
    writeFileSync(file(), text(''));
    await start();
    const [oldest, old, middle, young] = [
      await finished(100),
      await finished(50),
      await finished(20),
      await finished(10),
    ];
    await end();

    writeFileSync(file(), text('{maxage: 72h}'));
    await start();
    await areGone(oldest);
    expect(Object.keys(await client.workList()).sort()).toEqual([old, middle, young].sort());

    writeFileSync(file(), text('{maxage: 72h, maxunits: 2}'));
    expect(await client.reload()).toEqual({ Success: true });
    await areGone(old);

    writeFileSync(file(), text('{maxage: 0h}'));
    expect(await client.reload()).toMatchObject({
      Success: false,
      Error: expect.stringContaining('maxage of work-pruning is 0h, and must be more than nothing'),
    });
    writeFileSync(file(), text(''));
    expect(await client.reload()).toEqual({ Success: true });
    const again = await finished(1000);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect(Object.keys(await client.workList()).sort()).toEqual([middle, young, again].sort());
  },
);

it.each([
  ['{}', "work-pruning needs 'maxage', 'maxunits' or both"],
  ['{maxunits: -1}', 'maxunits of work-pruning is -1, and must not be negative'],
  ['{maxage: -1h}', 'maxage of work-pruning is -1h, and must be more than nothing'],
  [
    '{maxage: 3 days}',
    "failed to parse maxage of work-pruning -- valid examples include '1.5h', '30m', '30m10s'",
  ],
])('a section that says %s is refused', async (pruning, message) => {
  writeFileSync(file(), FORMS.list(pruning));
  await expect(start()).rejects.toThrow(message);
});
