import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Workceptor } from '../../src/index.js';
import { spawnRunner } from '../../src/workers/command/runner.js';
import { processesNaming, watchForLeaks } from '../support/leaks.js';
import {
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
  node = await open();
});

afterEach(async () => {
  await node.close();
  await leaks.assertNone();
  expect(processesNaming(data.path)).toEqual([]);
  data.remove();
});

const open = () => openNode(data.path, usualWorkTypes({ graceMs: 400 }));

async function reopen(): Promise<void> {
  await node.close();
  node = await open();
}

const ledger = () => join(data.path, 'ledger');
const entries = () => (existsSync(ledger()) ? readFileSync(ledger(), 'utf8').trim().split('\n') : []);

interface Planted {
  state?: number;
  detail?: string;
  params?: string;
  pid?: number;
  files?: Record<string, string>;
}

/** Writes a unit directory as a daemon left it that was killed. */
function plant(id: string, unit: Planted): string {
  const directory = join(data.path, 'foo', id);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const status = {
    State: unit.state ?? 0,
    Detail: unit.detail ?? 'Waiting for Input Data',
    StdoutSize: 0,
    WorkType: 'sh',
    ExtraData: { Pid: unit.pid ?? 0, Params: unit.params ?? `-c 'cat; echo ran >>${ledger()}'` },
  };
  writeFileSync(join(directory, 'status'), `${JSON.stringify(status)}\n`);
  for (const [name, text] of Object.entries(unit.files ?? {})) writeFileSync(join(directory, name), text);
  return directory;
}

test.each([
  ['no payload', {}],
  ['half a payload', { files: { 'stdin.new': 'half' } }],
  ["a Go daemon's half payload", { files: { stdin: 'half', 'status.lock': '' } }],
  ["a Go daemon's unit without payload", { detail: 'Unit Created', files: { 'status.lock': '' } }],
  [
    "a Go daemon's unit whose runner was to be started",
    { detail: 'Launching command runner', files: { stdin: '' } },
  ],
])('killed with %s: the unit fails, and is not run', async (_, unit: Planted) => {
  plant('Planted1', unit);
  await reopen();
  expect(await completed(node, 'Planted1')).toMatchObject({
    StateName: 'Failed',
    Detail: 'Pending at restart',
  });
  expect(entries()).toEqual([]);
});

test('killed with the payload whole: the unit is run, once', async () => {
  plant('Planted1', { files: { stdin: 'payload' } });
  await reopen();
  expect(await output(node, 'Planted1')).toBe('payload');
  expect(await completed(node, 'Planted1')).toMatchObject({ StateName: 'Succeeded' });
  await reopen();
  expect(entries()).toEqual(['ran']);
});

test('killed right after the runner was spawned: it is not run twice, whichever comes first', async () => {
  for (let i = 0; i < 10; i++) {
    const id = `Planted${i}`;
    const directory = plant(id, { files: { stdin: 'payload' } });
    const command = ['/bin/sh', '-c', `cat; echo ${id} >>${ledger()}; exit 5`];
    const exits = new EventEmitter();
    const exited = once(exits, 'exit');
    await spawnRunner(directory, command, () => exits.emit('exit'));
    await reopen();
    expect(await completed(node, id)).toMatchObject({ State: expect.toSatisfy((s) => s === 2 || s === 3) });
    await exited;
    expect(await output(node, id)).toBe('payload');
  }
  expect(entries().length).toBe(10);
});

test('a command that ended while the daemon was away has its own end', async () => {
  plant('Planted1', { files: { stdin: '', stdout: 'out', runner: 'pid 4000001\nexit 0\n' } });
  plant('Planted2', {
    state: 1,
    detail: 'Running: PID 1',
    files: { runner: 'pid 4000002\nKilled\nexit 137\n' },
  });
  await reopen();
  expect(await completed(node, 'Planted1')).toMatchObject({
    StateName: 'Succeeded',
    Detail: 'exit status 0',
    StdoutSize: 3,
    ExtraData: { ExitCode: 0 },
  });
  expect(await completed(node, 'Planted2')).toMatchObject({ StateName: 'Failed', Detail: 'signal: killed' });
});

test.each([
  ['is dead', 'pid 4000001\n', 'Command runner ended without recording an exit status'],
  [
    'is another process by now',
    `pid ${process.pid}\n`,
    'Command runner ended without recording an exit status',
  ],
  ['could not open a file', 'sh: cannot open stdin\n', 'sh: cannot open stdin'],
])('a runner that %s leaves a failed unit', async (_, runner, detail) => {
  plant('Planted1', { state: 1, detail: 'Running: PID 4000002', files: { stdin: '', runner } });
  await reopen();
  expect(await completed(node, 'Planted1')).toMatchObject({ StateName: 'Failed', Detail: detail });
});

test('a Running unit without any trace of a runner fails', async () => {
  plant('Planted1', { state: 1, detail: 'Running: PID 4000002', pid: 4000001, files: { stdin: '' } });
  await reopen();
  expect(await completed(node, 'Planted1')).toMatchObject({ StateName: 'Failed' });
});

test('a command goes on while the daemon is away, and its end is seen', async () => {
  const go = join(data.path, 'go');
  const id = await submit(
    node,
    'sh',
    script(`echo begin; while [ ! -e ${go} ]; do sleep 0.02; done; echo end; exit 4`),
  );
  await running(node, id);
  await reopen();
  expect(await running(node, id)).toMatchObject({ Detail: expect.stringMatching(/^Running: PID \d+$/) });
  const text = output(node, id);
  writeFileSync(go, '');
  expect(await text).toBe('begin\nend\n');
  expect(await node.status(id)).toMatchObject({
    StateName: 'Failed',
    Detail: 'exit status 4',
    StdoutSize: 10,
  });
});

test('a unit can be cancelled after a restart, and its end is waited for', async () => {
  const id = await submit(node, 'sh', script('trap "" INT; sleep 60 & while :; do sleep 0.05; done'));
  await running(node, id);
  await reopen();
  await running(node, id);
  await node.cancel(id);
  expect(await node.status(id)).toMatchObject({ StateName: 'Canceled', Detail: 'Canceled' });
  expect(processesNaming(data.path)).toEqual([]);
  await reopen();
  expect(await node.status(id)).toMatchObject({ StateName: 'Canceled' });
});

test('a runner that is killed after a restart leaves a failed unit, and no command', async () => {
  const id = await submit(node, 'sh', script('echo $$; exec sleep 62'));
  const report = await running(node, id);
  await reopen();
  await running(node, id);
  process.kill((report.ExtraData as { Pid: number }).Pid, 'SIGKILL');
  expect(await completed(node, id)).toMatchObject({ StateName: 'Failed' });
  const command = Number((await output(node, id)).trim());
  await until(() => processesNaming('sleep\0' + '62').every((pid) => pid !== command));
});

/** What a Go daemon's runner is to us: a process with these arguments that writes the status file in place. */
function goRunner(directory: string, text: string): ChildProcess {
  return spawn('/bin/sh', ['-c', text, 'receptor', '--command-runner', `unitdir=${directory}`], {
    stdio: 'ignore',
    detached: true,
  });
}

const goStatus = (state: number, detail: string) =>
  `{"State":${state},"Detail":"${detail}","StdoutSize":3,"WorkType":"sh","ExtraData":null}`;

test("follows a Go daemon's runner that is still alive, and writes nothing meanwhile", async () => {
  const directory = plant('GoUnit01', {
    state: 1,
    detail: 'Running: PID 7',
    files: { stdin: '', 'status.lock': '' },
  });
  const go = join(data.path, 'go');
  const text = `printf abc >${directory}/stdout; while [ ! -e ${go} ]; do sleep 0.02; done
    : >${directory}/status; sleep 0.05; echo '${goStatus(2, 'exit status 0')}' >${directory}/status`;
  const child = goRunner(directory, text);
  plant('GoUnit01', { state: 1, detail: 'Running: PID 7', pid: child.pid ?? 0 });
  const before = readFileSync(join(directory, 'status'), 'utf8');
  await reopen();
  await until(async () => (await node.status('GoUnit01')).StdoutSize === 3);
  expect(await node.status('GoUnit01')).toMatchObject({ StateName: 'Running', Detail: 'Running: PID 7' });
  expect(readFileSync(join(directory, 'status'), 'utf8')).toBe(before);
  const result = output(node, 'GoUnit01');
  writeFileSync(go, '');
  expect(await result).toBe('abc');
  expect(await node.status('GoUnit01')).toMatchObject({ StateName: 'Succeeded', Detail: 'exit status 0' });
});

test('fails a unit whose Go runner dies without a word, and cancels one whose runner obeys', async () => {
  const dying = plant('GoUnit01', { state: 1 });
  const obeying = plant('GoUnit02', { state: 1 });
  const one = goRunner(dying, 'sleep 60; true');
  const ready = join(data.path, 'ready');
  const killed = goStatus(3, 'Killed');
  const two = goRunner(
    obeying,
    `trap 'echo "$s" >${obeying}/status; exit' INT; s='${killed}'; : >${ready}; while :; do sleep 0.02; done`,
  );
  plant('GoUnit01', { state: 1, detail: 'Running: PID 7', pid: one.pid ?? 0 });
  plant('GoUnit02', { state: 1, detail: 'Running: PID 8', pid: two.pid ?? 0 });
  await until(() => existsSync(ready));
  await reopen();
  await node.cancel('GoUnit02');
  expect(await node.status('GoUnit02')).toMatchObject({ StateName: 'Canceled' });
  expect(JSON.parse(readFileSync(join(obeying, 'status'), 'utf8'))).toMatchObject({ State: 4 });
  process.kill(-(one.pid ?? 0), 'SIGKILL');
  expect(await completed(node, 'GoUnit01')).toMatchObject({ StateName: 'Failed' });
});

test("reads a Go daemon's complete units", async () => {
  plant('GoUnit01', {
    state: 2,
    detail: 'exit status 0',
    files: { stdout: 'from go', 'status.lock': '', stdin: '' },
  });
  await reopen();
  expect(await output(node, 'GoUnit01')).toBe('from go');
  await node.release('GoUnit01');
  expect(existsSync(join(data.path, 'foo', 'GoUnit01'))).toBe(false);
});

test('killed at random moments: no unit is lost, run twice, or left without an end', async () => {
  await node.close();
  const program = fileURLToPath(new URL('../support/daemon.mjs', import.meta.url));
  const given: { id: string; name: string; exit: number }[] = [];
  for (let round = 0; round < 6; round++) {
    const child = spawn(process.execPath, [program, data.path, ledger()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const enough = 5 + round * 9;
    let seen = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const [id = '', name = '', exit] = line.split(' ');
      given.push({ id, name: `${round}:${name}`, exit: Number(exit) });
      if (++seen === enough) child.kill('SIGKILL');
    }
    node = await open();
    for (const { id, exit } of given.slice(-seen)) {
      const report = await completed(node, id);
      if (report.Detail === 'Pending at restart') {
        expect(existsSync(join(node.directory, id, 'runner'))).toBe(false);
      } else {
        expect(report).toMatchObject({ Detail: `exit status ${exit}`, ExtraData: { ExitCode: exit } });
        expect(await output(node, id)).toBe('first half, second half');
      }
    }
    const ran = entries();
    expect(new Set(ran).size).toBe(ran.length);
    const ended = await Promise.all(given.slice(-seen).map(({ id }) => node.status(id)));
    expect(ran.length).toBe(ended.filter(({ Detail }) => Detail.startsWith('exit status')).length);
    renameSync(ledger(), `${ledger()}.${round}`);
    await node.close();
  }
  node = await open();
});
