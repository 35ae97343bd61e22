import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Workceptor } from '../../src/index.js';
import { watchForLeaks } from '../support/leaks.js';
import {
  chunks,
  completed,
  openNode,
  output,
  recordingLogger,
  running,
  submit,
  temporaryDirectory,
  until,
  usualWorkTypes,
} from '../support/node.js';

let data: ReturnType<typeof temporaryDirectory>;
let leaks: ReturnType<typeof watchForLeaks>;
let log: ReturnType<typeof recordingLogger>;
let node: Workceptor;
const request = { workType: 'cat', parameters: {}, origin: 'unix' as const };

beforeEach(async () => {
  data = temporaryDirectory();
  leaks = watchForLeaks(data.path);
  log = recordingLogger();
  node = await openNode(data.path, usualWorkTypes(), log);
});

afterEach(async () => {
  await node.close();
  await leaks.assertNone();
  data.remove();
});

/** Writes a unit directory as another process would. */
function plant(id: string, status: string, files: Record<string, string> = {}): string {
  const directory = join(data.path, 'foo', id);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'status'), status);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

const status = (state: number, detail: string, workType = 'cat', extraData: unknown = null) =>
  `${JSON.stringify({ State: state, Detail: detail, StdoutSize: 0, WorkType: workType, ExtraData: extraData })}\n`;

async function reopen(types = usualWorkTypes()): Promise<void> {
  await node.close();
  node = await openNode(data.path, types, log);
}

test('makes no directory until there is a unit', () => {
  expect(existsSync(node.directory)).toBe(false);
});

test('an allocated unit is on disk, Pending, and waits for its payload', async () => {
  const submission = await node.allocate(request);
  const onDisk = JSON.parse(readFileSync(join(node.directory, submission.id, 'status'), 'utf8'));
  expect(onDisk).toMatchObject({ State: 0, Detail: 'Waiting for Input Data', WorkType: 'cat' });
  expect(node.list()).toHaveProperty(submission.id);
});

test('nothing remains of a refused submit', async () => {
  await expect(node.allocate({ ...request, workType: 'nosuch' })).rejects.toMatchObject({
    code: 'RECEPTOR_UNKNOWN_WORK_TYPE',
    message: 'unknown work type nosuch',
  });
  await expect(node.allocate({ ...request, parameters: { params: 'x' } })).rejects.toThrow('not allowed');
  expect(existsSync(node.directory)).toBe(false);
  expect(node.list()).toEqual({});
});

test.each(['nosuch', '../foo', '..', '', 'a/b', 'a\0b'])('knows no unit %j', async (id) => {
  for (const ask of [
    () => node.status(id),
    () => node.cancel(id),
    () => node.release(id),
    () => node.results(id),
  ]) {
    await expect(ask()).rejects.toMatchObject({
      code: 'RECEPTOR_UNKNOWN_UNIT',
      message: `unknown work unit ${id}`,
    });
  }
});

test('a name is registered once, and `remote` never', () => {
  const [cat] = usualWorkTypes();
  if (!cat) throw new Error('no type');
  expect(() => node.registerWorkType(cat)).toThrow('work type cat already registered');
  expect(() => node.registerWorkType({ ...cat, name: 'remote' })).toThrow(
    'work type remote already registered',
  );
  expect(node.workTypes()).toEqual([
    { WorkType: 'cat', Secure: false },
    { WorkType: 'sh', Secure: false },
  ]);
});

test.each(['', '.', '..', 'a/b'])('refuses the node ID %j', (nodeId) => {
  expect(() => new Workceptor({ nodeId, dataDir: data.path })).toThrow('cannot be used as a directory name');
});

test('a unit that is cancelled while its payload comes is not started', async () => {
  const submission = await node.allocate(request);
  const payload = new Readable({ read() {} });
  const received = submission.receive(payload);
  payload.push('half');
  await node.cancel(submission.id);
  payload.push('rest');
  payload.push(null);
  await received;
  await expect(submission.start()).rejects.toMatchObject({ code: 'RECEPTOR_WORK_START_FAILED' });
  expect(await node.status(submission.id)).toMatchObject({ StateName: 'Canceled', Detail: 'Canceled' });
  expect(existsSync(join(node.directory, submission.id, 'runner'))).toBe(false);
  expect(await output(node, submission.id)).toBe('');
});

test('a unit that is released while its payload comes is gone', async () => {
  const submission = await node.allocate(request);
  await node.release(submission.id);
  await submission.receive(chunks('late'));
  await expect(submission.start()).rejects.toMatchObject({ code: 'RECEPTOR_UNKNOWN_UNIT' });
  expect(readdirSync(node.directory)).toEqual([]);
});

test('a unit that is abandoned fails without having run', async () => {
  const submission = await node.allocate(request);
  await submission.receive(chunks('half'));
  await submission.abandon('client went away');
  expect(await node.status(submission.id)).toMatchObject({
    StateName: 'Failed',
    Detail: 'Error reading input data: client went away',
  });
  await expect(submission.start()).rejects.toThrow();
  expect(existsSync(join(node.directory, submission.id, 'runner'))).toBe(false);
});

test('a payload that breaks off fails the unit', async () => {
  const submission = await node.allocate(request);
  const payload = new Readable({ read() {} });
  payload.push('half');
  setImmediate(() => payload.destroy(new Error('connection reset')));
  await expect(submission.receive(payload)).rejects.toMatchObject({ code: 'RECEPTOR_WORK_START_FAILED' });
  expect(await node.status(submission.id)).toMatchObject({
    StateName: 'Failed',
    Detail: 'Error reading input data: connection reset',
  });
});

test('a payload that cannot be stored fails the unit', async () => {
  const submission = await node.allocate(request);
  writeFileSync(join(node.directory, submission.id, 'stdin.new'), '');
  await expect(submission.receive(chunks('x'))).rejects.toThrow('Error reading input data: open ');
  expect(await completed(node, submission.id)).toMatchObject({ StateName: 'Failed' });
});

test('a large payload in uneven pieces arrives as it was', async () => {
  const parts = Array.from({ length: 200 }, (_, i) => Buffer.alloc((i * 7919) % 40_000, i));
  const submission = await node.allocate(request);
  await submission.receive(chunks(...parts));
  await submission.start();
  const received: Buffer[] = [];
  for await (const chunk of await node.results(submission.id)) received.push(chunk);
  expect(Buffer.concat(received).equals(Buffer.concat(parts))).toBe(true);
});

test('release removes unit and directory; force-release too', async () => {
  const [one, two] = [await submit(node, 'cat'), await submit(node, 'sh', { params: "-c 'sleep 30'" })];
  await node.release(one);
  await node.release(two, { force: true });
  expect(readdirSync(node.directory)).toEqual([]);
  await expect(node.status(one)).rejects.toThrow(`unknown work unit ${one}`);
});

test('a unit of an unknown work type is shown, never harmed, and can be released', async () => {
  const directory = plant('Strange1', status(1, 'Running', 'kubeit', { PodName: 'x' }), { stdout: 'out' });
  const before = readFileSync(join(directory, 'status'), 'utf8');
  await reopen();
  expect(await node.status('Strange1')).toMatchObject({
    StateName: 'Running',
    ExtraData: 'Unknown WorkType',
  });
  await node.cancel('Strange1');
  await node.close();
  expect(readFileSync(join(directory, 'status'), 'utf8')).toBe(before);
  node = await openNode(data.path, usualWorkTypes(), log);
  await node.release('Strange1');
  expect(existsSync(directory)).toBe(false);
});

test('takes up a unit whose work type is registered late', async () => {
  plant('LateType', status(0, 'Unit Created', 'late'));
  await reopen();
  const [cat] = usualWorkTypes();
  if (!cat) throw new Error('no type');
  expect(await node.status('LateType')).toMatchObject({ StateName: 'Pending' });
  node.registerWorkType({ ...cat, name: 'late' });
  expect(await completed(node, 'LateType')).toMatchObject({ Detail: 'Pending at restart' });
});

test('loads a unit whose directory appears while the node runs', async () => {
  plant('Appeared', status(2, 'exit status 0'), { stdout: 'restored' });
  expect(await output(node, 'Appeared')).toBe('restored');
  expect(node.list()).toHaveProperty('Appeared');
});

test('forgets a unit whose directory somebody has removed', async () => {
  const id = await submit(node, 'sh', { params: "-c 'sleep 0.3'" });
  await running(node, id);
  rmSync(join(node.directory, id), { recursive: true });
  await until(async () => !(id in node.list()));
  await expect(node.status(id)).rejects.toThrow(`unknown work unit ${id}`);
});

test('a status that cannot be read makes a failed unit, whose file stays as evidence', async () => {
  const directory = plant('Corrupt1', '{"State":1,"De');
  await reopen();
  expect(await node.status('Corrupt1')).toMatchObject({ StateName: 'Failed' });
  expect((await node.status('Corrupt1')).Detail).toMatch(/^Failed to restart: status file cannot be read: /);
  expect(readFileSync(join(directory, 'status'), 'utf8')).toBe('{"State":1,"De');
  expect(log.lines.join()).toContain('due to read error');
});

test('a first status that was cut off is no unit: nobody knows its ID', async () => {
  const whole = status(0, 'Waiting for Input Data').trim();
  for (const size of [0, 3, whole.length - 1]) {
    const directory = plant('Unborn12', whole.slice(0, size));
    await reopen();
    expect(node.list()).not.toHaveProperty('Unborn12');
    expect(existsSync(directory)).toBe(false);
  }
});

test('a status that is being rewritten in place is read when it is whole', async () => {
  const directory = plant('HalfDone', '');
  writeFileSync(join(directory, 'stdout'), '');
  const found = node.status('HalfDone');
  writeFileSync(join(directory, 'status'), status(2, 'exit status 0'));
  expect(await found).toMatchObject({ StateName: 'Succeeded' });
});

test('leaves alone what is no unit, and removes what a refused submit of a Go daemon leaves', async () => {
  const directory = join(data.path, 'foo');
  mkdirSync(join(directory, 'Empty123'), { recursive: true });
  mkdirSync(join(directory, 'lost+found'));
  mkdirSync(join(directory, 'Payload1'));
  writeFileSync(join(directory, 'Payload1', 'stdin'), 'x');
  writeFileSync(join(directory, 'afile'), '');
  symlinkSync('loop', join(directory, 'loop'));
  plant('Unborn01', '');
  await reopen();
  expect(node.list()).toEqual({});
  expect(readdirSync(directory).sort()).toEqual(['Payload1', 'afile', 'loop', 'lost+found']);
  expect(log.lines).toContain('warning Status file has disappeared for Payload1.');
  expect(log.lines).toContain('error Error locating unit: afile');
});

test('a status that cannot be written stays true in memory and is written when the disk allows it', async () => {
  const submission = await node.allocate(request);
  await submission.receive(chunks('x'));
  const obstacle = join(node.directory, submission.id, 'status.new');
  mkdirSync(obstacle);
  await submission.start();
  expect(await completed(node, submission.id)).toMatchObject({ StateName: 'Succeeded' });
  const onDisk = () =>
    JSON.parse(readFileSync(join(node.directory, submission.id, 'status'), 'utf8')) as { State: number };
  await until(() => log.lines.some((line) => line.includes('Error updating status file')));
  expect(onDisk().State).toBe(0);
  rmSync(obstacle, { recursive: true });
  await until(() => onDisk().State === 2);
});

test('nothing can be asked of a closed node', async () => {
  await node.close();
  await expect(node.allocate(request)).rejects.toMatchObject({ code: 'RECEPTOR_ABORTED' });
  await expect(node.status('x')).rejects.toMatchObject({ code: 'RECEPTOR_ABORTED' });
});
