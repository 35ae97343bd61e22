import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { commandWorkType, type Workceptor } from '../../src/index.js';
import { processesNaming, watchForLeaks } from '../support/leaks.js';
import {
  chunks,
  completed,
  openNode,
  output,
  running,
  script,
  submit,
  temporaryDirectory,
  until,
  usualWorkTypes,
} from '../support/node.js';

let data: ReturnType<typeof temporaryDirectory>;
let leaks: ReturnType<typeof watchForLeaks>;
let node: Workceptor;

beforeEach(async () => {
  data = temporaryDirectory();
  leaks = watchForLeaks(data.path);
  node = await openNode(data.path, [
    ...usualWorkTypes({ graceMs: 300 }),
    commandWorkType({ workType: 'args', command: 'printf', params: '"%s|" base', allowRuntimeParams: true }),
    commandWorkType({ workType: 'missing', command: 'no-such-command' }),
    commandWorkType({ workType: 'missingpath', command: '/nonexistent/cmd' }),
    commandWorkType({ workType: 'directory', command: '/tmp' }),
  ]);
});

afterEach(async () => {
  await node.close();
  await leaks.assertNone();
  expect(processesNaming(data.path)).toEqual([]);
  data.remove();
});

test('gives the payload to the command and keeps its output and exit status', async () => {
  const id = await submit(node, 'cat', {}, 'hello\nwörld');
  expect(await output(node, id)).toBe('hello\nwörld');
  expect(await node.status(id)).toMatchObject({
    StateName: 'Succeeded',
    Detail: 'exit status 0',
    StdoutSize: 12,
    ExtraData: { ExitCode: 0, Params: '' },
  });
});

test('keeps stdout and stderr in one file, in order', async () => {
  const id = await submit(node, 'sh', script('echo one; echo two >&2; echo three; exit 7'));
  expect(await output(node, id)).toBe('one\ntwo\nthree\n');
  expect(await node.status(id)).toMatchObject({
    StateName: 'Failed',
    Detail: 'exit status 7',
    ExtraData: { ExitCode: 7 },
  });
});

test.each([
  ['kill -9 $$', 'signal: killed', 'SIGKILL'],
  ['kill -15 $$', 'signal: terminated', 'SIGTERM'],
  ['kill -2 $$', 'signal: interrupt', 'SIGINT'],
])('tells a death by signal: %s', async (text, detail, signal) => {
  const id = await submit(node, 'sh', script(text));
  expect(await completed(node, id)).toMatchObject({
    StateName: 'Failed',
    Detail: detail,
    ExtraData: { Signal: signal },
  });
  expect(await output(node, id)).toBe('');
});

test('ends with its command, although a process that the command has left behind keeps the output open', async () => {
  const stop = join(data.path, 'stop');
  const left = `(until [ -e ${stop} ]; do sleep 0.02; done; echo late) &`;
  const id = await submit(node, 'sh', script(`${left} echo early; exit 4`));
  // The end of the output is the end of the command: this would wait for ever otherwise.
  expect(await output(node, id)).toBe('early\n');
  expect(await node.status(id)).toMatchObject({ Detail: 'exit status 4', StdoutSize: 6 });
  writeFileSync(stop, '');
  await until(() => readFileSync(join(node.directory, id, 'stdout'), 'utf8') === 'early\nlate\n');
});

test('does not mind a command that leaves its input unread, or closes it', async () => {
  const payload = 'x'.repeat(1_000_000);
  const id = await submit(node, 'sh', script('exec <&-; echo closed'), payload);
  expect(await output(node, id)).toBe('closed\n');
  expect(await completed(node, id)).toMatchObject({ State: 2, Detail: 'exit status 0' });
  const other = await submit(node, 'sh', script('head -c 3; exit 0'), payload);
  expect(await output(node, other)).toBe('xxx');
  expect(await completed(node, other)).toMatchObject({ State: 2, Detail: 'exit status 0' });
});

test('keeps output that is no text, byte for byte', async () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const submission = await node.allocate({ workType: 'cat', parameters: {}, origin: 'unix' });
  await submission.receive(chunks(bytes));
  await submission.start();
  await completed(node, submission.id);
  expect(readFileSync(join(node.directory, submission.id, 'stdout')).equals(bytes)).toBe(true);
});

test('tells exit status 137 from a kill', async () => {
  const id = await submit(node, 'sh', script('exit 137'));
  expect(await completed(node, id)).toMatchObject({
    Detail: 'exit status 137',
    ExtraData: { ExitCode: 137 },
  });
});

test('shows the process while it runs, and keeps what it shows on disk', async () => {
  const id = await submit(node, 'sh', script('echo $$; exec sleep 30'));
  const report = await running(node, id);
  const pid = readFileSync(join(node.directory, id, 'stdout'), 'utf8').trim();
  expect(report.Detail).toBe(`Running: PID ${pid}`);
  await node.cancel(id);
  expect(JSON.parse(readFileSync(join(node.directory, id, 'status'), 'utf8'))).toMatchObject({
    State: 4,
    Detail: 'Canceled',
  });
});

test.each([
  ['missing', 'exec: "no-such-command": executable file not found in $PATH'],
  ['missingpath', 'fork/exec /nonexistent/cmd: no such file or directory'],
  ['directory', 'fork/exec /tmp: permission denied'],
])('fails a unit whose command cannot be run: %s', async (workType, detail) => {
  expect(await completed(node, await submit(node, workType))).toMatchObject({
    StateName: 'Failed',
    Detail: detail,
  });
});

test('joins and splits parameters by the rules of a shell', async () => {
  const id = await submit(node, 'args', { params: String.raw`"a\"b" 'c d' e\ f $HOME * #no` });
  expect(await output(node, id)).toBe('base|a"b|c d|e f|$HOME|*|');
});

test('fails a unit whose parameters do not split', async () => {
  const id = await submit(node, 'sh', { params: "'open" });
  expect(await completed(node, id)).toMatchObject({
    StateName: 'Failed',
    Detail: 'EOF found when expecting closing quote',
  });
});

test('refuses parameters that are not allowed, and ignores other members', async () => {
  await expect(submit(node, 'cat', { params: 'x' })).rejects.toMatchObject({
    code: 'RECEPTOR_PARAMETER_NOT_ALLOWED',
    message: 'extra params provided but not allowed',
  });
  expect(await output(node, await submit(node, 'cat', { params: '', other: 'x' }, 'ok'))).toBe('ok');
});

test('gives the command the umask of the daemon, and its own files mode 0600', async () => {
  const id = await submit(node, 'sh', script('umask'));
  expect((await output(node, id)).trim()).toBe(process.umask().toString(8).padStart(4, '0'));
  for (const file of ['status', 'stdin', 'stdout', 'runner']) {
    expect(statSync(join(node.directory, id, file)).mode & 0o777, file).toBe(0o600);
  }
  expect(statSync(join(node.directory, id)).mode & 0o777).toBe(0o700);
  expect(statSync(node.directory).mode & 0o777).toBe(0o700);
});

test('cancel interrupts the whole process group', async () => {
  const id = await submit(node, 'sh', script('sleep 60 & sleep 60; echo never'));
  await running(node, id);
  await node.cancel(id);
  expect(await node.status(id)).toMatchObject({ StateName: 'Canceled', Detail: 'Canceled' });
  expect(await output(node, id)).not.toContain('never');
});

test('cancel kills a command that does not heed the interrupt', async () => {
  const id = await submit(node, 'sh', script('trap "" INT; echo ready; while :; do sleep 0.05; done'));
  await running(node, id);
  await node.cancel(id);
  expect(await node.status(id)).toMatchObject({ StateName: 'Canceled' });
  expect(await output(node, id)).toBe('ready\n');
});

test('cancel lets a command end in its own way within the time of grace', async () => {
  const id = await submit(
    node,
    'sh',
    script('trap "echo bye; exit 0" INT; echo ready; while :; do sleep 0.01; done'),
  );
  await running(node, id);
  await node.cancel(id);
  expect(await node.status(id)).toMatchObject({ StateName: 'Canceled' });
  expect(await output(node, id)).toBe('ready\nbye\n');
});

test('cancel right after the start ends the unit', async () => {
  const id = await submit(node, 'sh', script('sleep 60'));
  await node.cancel(id);
  expect(await node.status(id)).toMatchObject({ StateName: 'Canceled' });
});

test('cancel of a complete unit changes nothing', async () => {
  const id = await submit(node, 'sh', script('exit 3'));
  const before = await completed(node, id);
  await node.cancel(id);
  expect(await node.status(id)).toEqual(before);
});

test('fails a unit whose runner is killed, and does not leave its command running', async () => {
  const id = await submit(node, 'sh', script('exec sleep 61'));
  const report = await running(node, id);
  process.kill((report.ExtraData as { Pid: number }).Pid, 'SIGKILL');
  expect(await completed(node, id)).toMatchObject({
    StateName: 'Failed',
    Detail: 'Command runner ended without recording an exit status (SIGKILL)',
  });
});
