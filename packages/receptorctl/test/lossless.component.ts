import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { runCaptured, Sink } from './capture.js';
import { type Conversation, FakeDaemon, greet } from './fake-daemon.js';

const unit = (State: number, StdoutSize: number, Detail = '') =>
  `${JSON.stringify({ Detail, ExtraData: null, State, StateName: '', StdoutSize, WorkType: 'cat' })}\n`;

/** A daemon whose first connection begins with the question for the version, as every run does. */
const daemonOf = (handler: (conversation: Conversation, index: number) => Promise<void>) =>
  FakeDaemon.start(async (conversation, index) => {
    if (index === 0) await greet(conversation, '');
    else conversation.send('Receptor Control, node foo\n');
    await handler(conversation, index);
  });

describe('work results', () => {
  it('goes on where it was when the connection drops, as often as it does', async () => {
    const content = 'the whole output\n';
    const asked: number[] = [];
    await using daemon = await daemonOf(async (conversation) => {
      let command = await conversation.command();
      while (command?.command === 'work' && command.subcommand === 'status') {
        conversation.send(asked.length >= 3 ? unit(2, content.length) : unit(1, 0));
        command = await conversation.command();
      }
      if (command === undefined) return;
      if (command.command !== 'work') throw new Error(command.command);
      if (command.subcommand !== 'results') throw new Error(command.subcommand);
      asked.push(command.startPos);
      const cut = asked.length < 3 ? command.startPos + 5 : undefined;
      conversation.send(
        `Streaming results for work unit ${command.unitId}\n${content.slice(command.startPos, cut)}`,
      );
      conversation.socket.end();
    });
    const outcome = await runCaptured(['--socket', daemon.path, 'work', 'results', 'abcdefgh']);
    expect(outcome).toEqual({ exit: 0, stdout: content, stderr: '' });
    expect(asked).toEqual([0, 5, 10]);
  });

  it('ends quietly, and ends the stream, when nobody reads its output', async () => {
    let closed: Promise<Buffer> | undefined;
    await using daemon = await daemonOf(async (conversation) => {
      await conversation.command();
      conversation.send('Streaming results for work unit abcdefgh\nsome output');
      closed = conversation.toEnd();
    });
    const stdout = new Sink();
    stdout._write = (_chunk, _encoding, done) =>
      done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    stdout.on('error', () => {});
    const outcome = await runCaptured(['--socket', daemon.path, 'work', 'results', 'abcdefgh'], { stdout });
    expect(outcome).toEqual({ exit: 1, stdout: '', stderr: '' });
    await closed;
  });
});

describe('an interrupt', () => {
  it('in mid-payload takes the unit back before the daemon can take half a payload for a whole', async () => {
    const interrupt = new AbortController();
    const order: string[] = [];
    const stdin = new PassThrough();
    await using daemon = await daemonOf(async (conversation) => {
      const command = await conversation.command();
      if (command?.command !== 'work') throw new Error('not work');
      if (command.subcommand === 'submit') {
        conversation.send('Work unit created with ID abcdefgh. Send stdin data and EOF.\n');
        stdin.write('half a payload\n');
        await conversation.line();
        interrupt.abort();
        await conversation.toEnd();
        order.push('payload ended');
      } else {
        order.push(`${command.subcommand} ${'unitId' in command ? command.unitId : ''}`);
        conversation.send('{"released":"abcdefgh"}\n');
      }
    });
    const args = ['--socket', daemon.path, 'work', 'submit', 'cat', '-p', '-'];
    expect(await runCaptured(args, { stdin, signal: interrupt.signal })).toEqual({
      exit: 130,
      stdout: '',
      stderr: '',
    });
    await expect.poll(() => order).toEqual(['force-release abcdefgh', 'payload ended']);
    expect(stdin.destroyed).toBe(true);
  });

  it('while following tells how to find the unit again', async () => {
    const interrupt = new AbortController();
    await using daemon = await daemonOf(async (conversation) => {
      const command = await conversation.command();
      if (command?.command !== 'work') throw new Error('not work');
      if (command.subcommand === 'submit') {
        conversation.send('Work unit created with ID abcdefgh. Send stdin data and EOF.\n');
        await conversation.toEnd();
        conversation.send('{"result":"Job Started","unitid":"abcdefgh"}\n');
        conversation.socket.end();
      } else {
        conversation.send('Streaming results for work unit abcdefgh\nfirst\n');
        await conversation.toEnd();
        conversation.socket.end();
      }
    });
    const stdout = new Sink();
    stdout._write = (chunk, _encoding, done) => {
      stdout.chunks.push(chunk);
      done();
      interrupt.abort();
    };
    const args = ['--socket', daemon.path, 'work', 'submit', 'cat', '-n', '-f'];
    expect(await runCaptured(args, { stdout, signal: interrupt.signal })).toEqual({
      exit: 130,
      stdout: 'first\n',
      stderr: 'Unit ID: abcdefgh (it goes on; its output: receptorctl work results abcdefgh)\n',
    });
    await expect.poll(() => daemon.open).toBe(0);
  });
});

describe('an interrupt with --rm', () => {
  it('removes the unit, over a connection of its own', async () => {
    const interrupt = new AbortController();
    const heard: string[] = [];
    await using daemon = await daemonOf(async (conversation) => {
      const command = await conversation.command();
      if (command?.command !== 'work') throw new Error('not work');
      heard.push(command.subcommand);
      if (command.subcommand === 'submit') {
        conversation.send('Work unit created with ID abcdefgh. Send stdin data and EOF.\n');
        await conversation.toEnd();
        conversation.send('{"result":"Job Started","unitid":"abcdefgh"}\n');
      } else if (command.subcommand === 'release') {
        conversation.send('{"released":"abcdefgh"}\n');
      } else {
        conversation.send('Streaming results for work unit abcdefgh\n');
        interrupt.abort();
        await conversation.toEnd();
      }
      conversation.socket.end();
    });
    const args = ['--socket', daemon.path, 'work', 'submit', 'cat', '-n', '-f', '--rm'];
    expect(await runCaptured(args, { signal: interrupt.signal })).toEqual({
      exit: 130,
      stdout: '(abcdefgh, released)\n',
      stderr: '',
    });
    expect(heard).toEqual(['submit', 'results', 'release']);
    await expect.poll(() => daemon.open).toBe(0);
  });
});

describe('on a terminal', () => {
  it('errors are red, a payload shows its progress, and nothing of it stays', async () => {
    await using daemon = await daemonOf(async (conversation) => {
      await conversation.command();
      conversation.send('Work unit created with ID abcdefgh. Send stdin data and EOF.\n');
      await conversation.toEnd();
      conversation.send('ERROR: no \u001b[2J room\n');
    });
    const stderr = new Sink();
    stderr.isTTY = true;
    const args = ['--socket', daemon.path, 'work', 'submit', 'cat', '-p', '-'];
    const { exit } = await runCaptured(args, { stdin: 'payload', stderr });
    expect(exit).toBe(101);
    expect(stderr.text()).toBe(
      '\rSending payload: 7 B\u001b[K\r\u001b[K\u001b[31mERROR: Remote error: ERROR: no \\x1b[2J room\u001b[0m\n',
    );
  });

  it('connect copies both ways until the service ends', async () => {
    await using daemon = await daemonOf(async (conversation) => {
      await conversation.command();
      conversation.send('Connecting\nReceptor Control, node bar\n');
      conversation.send(`you said ${await conversation.line()}\n`);
      conversation.socket.end();
    });
    const modes: boolean[] = [];
    const stdin = Object.assign(new PassThrough(), {
      isTTY: true,
      setRawMode: (raw: boolean) => modes.push(raw),
    });
    stdin.write('status\n');
    expect(
      await runCaptured(['--socket', daemon.path, 'connect', 'bar', 'control', '-r'], { stdin }),
    ).toEqual({
      exit: 0,
      stdout: 'Receptor Control, node bar\nyou said status\n\n',
      stderr: '',
    });
    expect(modes).toEqual([true, false]);
  });
});

describe('the program', () => {
  it('starts from any directory and through a symlink', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'receptorctl-link-'));
    try {
      const link = join(directory, 'receptorctl');
      await symlink(fileURLToPath(new URL('../bin/receptorctl.js', import.meta.url)), link);
      const { stdout } = await promisify(execFile)(link, ['--help'], { cwd: directory });
      expect(stdout).toMatch(/^Usage: receptorctl /);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
