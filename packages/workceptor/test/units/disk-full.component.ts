import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Workceptor } from '../../src/index.js';
import { watchForLeaks } from '../support/leaks.js';
import {
  chunks,
  openNode,
  recordingLogger,
  submit,
  temporaryDirectory,
  until,
  usualWorkTypes,
} from '../support/node.js';

/** Which files have no room on the disk. */
const disk = vi.hoisted(() => ({ full: false }));

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const noSpace = (syscall: string) =>
    Object.assign(new Error(`ENOSPC: no space left on device, ${syscall}`), { code: 'ENOSPC', syscall });
  /** A stand-in that keeps what `promisify` needs to know of the function it stands in for. */
  const standIn = <T extends object>(real: T, fake: T): T => {
    for (const symbol of Object.getOwnPropertySymbols(real)) {
      Object.defineProperty(fake, symbol, Object.getOwnPropertyDescriptor(real, symbol) ?? {});
    }
    return fake;
  };
  const writev = standIn(fs.writev, ((...args: unknown[]) => {
    if (disk.full) (args.at(-1) as (error: Error) => void)(noSpace('write'));
    else (fs.writev as (...args: unknown[]) => void)(...args);
  }) as typeof fs.writev);
  const writeFileSync: typeof fs.writeFileSync = (...args) => {
    if (disk.full) throw noSpace('write');
    fs.writeFileSync(...args);
  };
  return { ...fs, writev, writeFileSync };
});

const request = { workType: 'cat', parameters: {}, origin: 'unix' as const };
let data: ReturnType<typeof temporaryDirectory>;
let leaks: ReturnType<typeof watchForLeaks>;
let log: ReturnType<typeof recordingLogger>;
let node: Workceptor;

beforeEach(async () => {
  disk.full = false;
  data = temporaryDirectory();
  leaks = watchForLeaks(data.path);
  log = recordingLogger();
  node = await openNode(data.path, usualWorkTypes(), log);
});

afterEach(async () => {
  disk.full = false;
  await node.close();
  await leaks.assertNone();
  data.remove();
});

const onDisk = (id: string) =>
  JSON.parse(readFileSync(join(node.directory, id, 'status'), 'utf8')) as { State: number };

test('a submit is refused where not even its status has room, and nothing remains', async () => {
  disk.full = true;
  await expect(node.allocate(request)).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(readdirSync(node.directory)).toEqual([]);
  expect(node.list()).toEqual({});
});

test('a unit whose payload has no room fails at once, is not run, and gives the room back', async () => {
  const submission = await node.allocate(request);
  const directory = join(node.directory, submission.id);
  disk.full = true;
  await expect(submission.receive(chunks('too much'))).rejects.toMatchObject({
    code: 'RECEPTOR_WORK_START_FAILED',
    message: 'Error reading input data: write: no space left on device',
  });
  expect(await node.status(submission.id)).toMatchObject({
    StateName: 'Failed',
    Detail: 'Error reading input data: write: no space left on device',
  });
  await expect(submission.start()).rejects.toThrow();
  expect(existsSync(join(directory, 'stdin.new'))).toBe(false);
  expect(existsSync(join(directory, 'runner'))).toBe(false);
  // What the disk says is old, but whole; and new when there is room.
  expect(onDisk(submission.id).State).toBe(0);
  disk.full = false;
  await until(() => onDisk(submission.id).State === 3);
});

test('the end of a unit is known although it cannot be written, also to a daemon that starts then', async () => {
  disk.full = false;
  const id = await submit(node, 'sh', { params: "-c 'sleep 0.05; exit 3'" });
  disk.full = true;
  await until(async () => (await node.status(id)).StateName === 'Failed');
  expect(await node.status(id)).toMatchObject({ Detail: 'exit status 3' });
  await node.close();
  expect(onDisk(id).State).toBe(0);
  disk.full = false;
  node = await openNode(data.path, usualWorkTypes(), log);
  await until(async () => (await node.status(id)).Detail === 'exit status 3');
});
