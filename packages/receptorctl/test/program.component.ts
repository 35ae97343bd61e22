import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Conversation, FakeDaemon, greet } from './fake-daemon.js';
import { hasTerminal, Running, receptorctl } from './program.js';

if (!hasTerminal) console.warn("skipped: tests at a terminal need util-linux's script");

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'receptorctl-program-'));
});
afterAll(() => rm(directory, { recursive: true }));

const CREATED = 'Work unit created with ID abcdefgh. Send stdin data and EOF.\n';
const STARTED = '{"result":"Job Started","unitid":"abcdefgh"}\n';

/** What a daemon does with the one command of a test; a unit is finished or running as it says. */
interface Behaviour {
  /** The output of the unit; `undefined` leaves the stream open after `begun`. */
  output?: Buffer;
  connect?(conversation: Conversation): Promise<void>;
  version?: string;
}

/** A daemon with one unit `abcdefgh`, that tells in `heard` what it was asked to do. */
async function daemonWith({ output, connect, version = '' }: Behaviour, heard: string[] = []) {
  return FakeDaemon.start(async (conversation, index) => {
    if (index === 0) await greet(conversation, version);
    else conversation.send('Receptor Control, node foo\n');
    for (let command = await conversation.command(); command; command = await conversation.command()) {
      const what = command.command === 'work' ? command.subcommand : command.command;
      heard.push(what);
      if (what === 'connect') {
        conversation.send('Connecting\n');
        await connect?.(conversation);
        conversation.socket.end();
        return;
      }
      if (what === 'submit') {
        conversation.send(CREATED);
        heard.push(`${(await conversation.toEnd()).length} bytes`);
        conversation.send(STARTED);
        conversation.socket.end();
        return;
      }
      if (what === 'results') {
        conversation.send('Streaming results for work unit abcdefgh\n');
        conversation.send(output ?? 'begun\n');
        if (output === undefined) await conversation.toEnd();
        conversation.socket.end();
        return;
      }
      if (what === 'status') {
        const unit = { Detail: '', ExtraData: null, State: output ? 2 : 1, StdoutSize: output?.length ?? 6 };
        conversation.send(`${JSON.stringify({ ...unit, StateName: '', WorkType: 'cat' })}\n`);
      } else conversation.send('{"released":"abcdefgh"}\n');
    }
  });
}

describe('the program with pipes', () => {
  it('writes the bytes of results as they are', async () => {
    const output = Buffer.from(Array.from({ length: 1_000_003 }, (_, i) => (i * 7 + (i >> 8)) % 256));
    await using daemon = await daemonWith({ output });
    const running = Running.program(['--socket', daemon.path, 'work', 'results', 'abcdefgh']);
    expect(await running.end()).toBe(0);
    expect(running.stdout.equals(output)).toBe(true);
    expect(running.stderr).toBe('');
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('ends results on %s with exit code %i and nothing more', async (signal, code) => {
    await using daemon = await daemonWith({});
    const running = Running.program(['--socket', daemon.path, 'work', 'results', 'abcdefgh']);
    await running.said('begun');
    running.child.kill(signal);
    expect(await running.end()).toBe(code);
    expect([running.stdout.toString(), running.stderr]).toEqual(['begun\n', '']);
    await expect.poll(() => daemon.open).toBe(0);
  });

  it('ends on SIGINT even if nobody reads its output', async () => {
    await using daemon = await daemonWith({ output: Buffer.alloc(10_000_000) });
    const child = spawn(receptorctl, ['--socket', daemon.path, 'work', 'results', 'abcdefgh']);
    await once(child.stdout, 'readable');
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([130, null]);
    child.stdout.destroy();
  });

  it('takes a unit back on SIGINT while its payload comes', async () => {
    const heard: string[] = [];
    await using daemon = await daemonWith({ output: Buffer.alloc(0) }, heard);
    const running = Running.program(['--socket', daemon.path, 'work', 'submit', 'cat', '-p', '-']);
    running.type('half a payload');
    await expect.poll(() => heard).toEqual(['submit']);
    running.child.kill('SIGINT');
    expect(await running.end()).toBe(130);
    expect([running.stdout.toString(), running.stderr]).toEqual(['', '']);
    expect(heard.slice(0, 2)).toEqual(['submit', 'force-release']);
  });

  it('is quiet when its reader goes away', async () => {
    await using daemon = await daemonWith({ output: Buffer.from('line\n'.repeat(200_000)) });
    const running = Running.shell(
      `("$R" --socket ${daemon.path} work results abcdefgh; echo "exit $?" >&2) | head -1`,
    );
    await running.end();
    expect([running.stdout.toString(), running.stderr]).toEqual(['line\n', 'exit 1\n']);
  });

  it.skipIf(spawnSync('bash', ['--version']).error)('completes command lines in bash', async () => {
    await using daemon = await FakeDaemon.start(async (conversation) => {
      await greet(conversation, '1.5.0');
      await conversation.line();
      const unit = { Detail: '', ExtraData: null, State: 1, StateName: '', StdoutSize: 0, WorkType: 'cat' };
      conversation.send(`${JSON.stringify({ abcdefgh: unit, ijklmnop: unit })}\n`);
    });
    const complete = `eval "$(_RECEPTORCTL_COMPLETE=bash_source "$R")"; compopt() { echo "[$1 $2]"; }
      try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _receptorctl_completion "$R"; echo "\${COMPREPLY[*]}"; }
      try receptorctl work r; try receptorctl --socket ${daemon.path} work results a; try receptorctl -c ""`;
    const running = Running.shell(`exec bash -c '${complete}'`);
    expect(await running.end()).toBe(0);
    expect([running.stdout.toString(), running.stderr]).toEqual([
      'release results\nabcdefgh\n[-o default]\n\n',
      '',
    ]);
  });

  it('has no colours and no progress', async () => {
    const heard: string[] = [];
    await using daemon = await daemonWith({ output: Buffer.alloc(0), version: '1.5.0' }, heard);
    const payload = join(directory, 'payload');
    await writeFile(payload, Buffer.alloc(3_000_000));
    const running = Running.program(['--socket', daemon.path, 'work', 'submit', 'cat', '-p', payload]);
    expect(await running.end()).toBe(0);
    expect(running.stdout.toString()).toBe('Result: Job Started\nUnit ID: abcdefgh\n');
    expect(running.stderr).toBe(
      'Warning: receptorctl and receptor are different versions, they may not be compatible\n',
    );
    expect(heard).toEqual(['submit', '3000000 bytes']);
  });
});

/** A line that shows that the terminal is afterwards as it was before. */
const keepingTerminal = (line: string) =>
  `before=$(stty -g); ${line}; echo "exit $?"; [ "$(stty -g)" = "$before" ] && echo terminal as before`;

describe.skipIf(!hasTerminal)('the program at a terminal', () => {
  it('ends results on Ctrl-C, and leaves the terminal as it was', async () => {
    await using daemon = await daemonWith({});
    const running = Running.terminal(
      keepingTerminal(`trap : INT; "$R" --socket ${daemon.path} work results abcdefgh`),
    );
    await running.said('begun');
    running.type('\x03');
    await running.end();
    expect(running.screen).toBe('begun\n^Cexit 130\nterminal as before\n');
  });

  it('shows a bar while a payload goes up, and takes it away', async () => {
    await using daemon = await daemonWith({ output: Buffer.alloc(0) });
    const payload = join(directory, 'payload');
    await writeFile(payload, Buffer.alloc(3_000_000));
    const running = Running.terminal(`"$R" --socket ${daemon.path} work submit cat -p ${payload}`);
    expect(await running.end()).toBe(0);
    const shown = running.stdout.toString();
    expect(shown).toMatch(/^\rSending payload: \[#*\.*\] +\d+ % of 2\.9 MiB/);
    expect(shown.endsWith('\r\x1b[KResult: Job Started\r\nUnit ID: abcdefgh\r\n')).toBe(true);
  });

  it('shows no bar for what is typed', async () => {
    const heard: string[] = [];
    await using daemon = await daemonWith({ output: Buffer.alloc(0) }, heard);
    const running = Running.terminal(`"$R" --socket ${daemon.path} work submit cat -p -`);
    await expect.poll(() => heard).toContain('submit');
    running.type('typed\n\x04');
    expect(await running.end()).toBe(0);
    expect(running.screen).toBe('typed\nResult: Job Started\nUnit ID: abcdefgh\n');
    expect(heard).toEqual(['submit', '6 bytes']);
  });

  it.each([
    [{}, '\x1b[31mERROR: Socket path does not exist: /nosuch\x1b[0m\r\n\x1b[36mHint: '],
    [{ NO_COLOR: '1' }, 'ERROR: Socket path does not exist: /nosuch\r\nHint: '],
  ])('has colours, and none with %j', async (env, text) => {
    const running = Running.terminal('"$R" --socket /nosuch status', env);
    expect(await running.end()).toBe(1);
    expect(running.stdout.toString().startsWith(text)).toBe(true);
  });

  const talk = async (conversation: Conversation) => {
    conversation.send('welcome\n');
    for (let line = await conversation.line(); line !== undefined; line = await conversation.line()) {
      conversation.send(`heard ${JSON.stringify(line)}\n`);
      if (line.includes('bye')) return;
    }
    conversation.send('last words\n');
  };

  it('connects to a service until Ctrl-D, and shows its last words', async () => {
    await using daemon = await daemonWith({ connect: talk });
    const running = Running.terminal(keepingTerminal(`"$R" --socket ${daemon.path} connect bar service`));
    await running.said('welcome');
    running.type('hello\n');
    await running.said('heard');
    running.type('\x04');
    await running.end();
    expect(running.screen).toBe('welcome\nhello\nheard "hello"\nlast words\n\nexit 0\nterminal as before\n');
  });

  it('does not wait after Ctrl-D for a service that says nothing more', async () => {
    await using daemon = await daemonWith({
      connect: async (conversation) => {
        conversation.send('welcome\n');
        await conversation.toEnd();
        await new Promise((resolve) => conversation.socket.once('close', resolve));
      },
    });
    const running = Running.terminal(`"$R" --socket ${daemon.path} connect bar service`);
    await running.said('welcome');
    running.type('\x04');
    expect(await running.end()).toBe(0);
  });

  it('hands every key to the service with --raw, and gives the terminal back', async () => {
    await using daemon = await daemonWith({ connect: talk });
    const running = Running.terminal(
      keepingTerminal(`"$R" --socket ${daemon.path} connect bar service --raw`),
    );
    await running.said('welcome');
    running.type('\x03\x04bye\n');
    await running.end();
    // The keys are not echoed, and end nothing.
    expect(running.screen).toBe('welcome\nheard "\\u0003\\u0004bye"\n\nexit 0\nterminal as before\n');
  });

  it('gives the terminal back when it is ended during --raw', async () => {
    await using daemon = await daemonWith({ connect: talk });
    const connect = `sh -c 'echo "pid $$"; exec "$R" --socket ${daemon.path} connect bar service --raw'`;
    const running = Running.terminal(keepingTerminal(connect));
    await running.said('welcome');
    const [, pid] = /pid (\d+)/.exec(running.screen) ?? [];
    process.kill(Number(pid), 'SIGTERM');
    await running.end();
    expect(running.screen).toMatch(/exit 143\nterminal as before\n$/);
  });
});
