import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Client, reached, submit } from './client.js';
import { CONTROL, runDaemon, WORK } from './running-daemon.js';

let directory: string;
const started: ReturnType<typeof spawn>[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'receptor-'));
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(directory, { recursive: true, force: true });
});

const program = new URL('../../bin/receptor.js', import.meta.url).pathname;

/** Starts the program with a configuration; with few file descriptors where their number is given. */
function launch(sections: string, descriptors?: number) {
  const file = join(directory, `${started.length}.yml`);
  writeFileSync(
    file,
    `- node: {id: foo, datadir: ${directory}/data}\n- log-level: debug\n${sections.replaceAll('DIR', directory)}\n`,
  );
  const limit = descriptors === undefined ? '' : `ulimit -n ${descriptors}; `;
  const command = ['-c', `${limit}exec "$0" "$@"`, process.execPath, program, '-c', file];
  const child = spawn('sh', command, { stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  const seen = { output: '' };
  child.stdout.on('data', (chunk) => {
    seen.output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    seen.output += chunk;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  const up = () => vi.waitFor(() => expect(seen.output).toContain('Initialization complete'), 10_000);
  return { child, seen, ended, up, socket: join(directory, 'foo.sock') };
}

const stopUnits = async (socket: string, ids: readonly string[]): Promise<void> => {
  const client = await Client.greeted(socket);
  for (const id of ids) expect(await client.ask(`work release ${id}`)).toContain('released');
  client.vanish();
};

describe('the daemon in a program', () => {
  it('has its socket only when the whole configuration is in force, whatever the order of its sections', async () => {
    const node = await runDaemon(CONTROL + WORK, directory);
    const listening = node.log.findIndex((line) => line.includes('Running control service control'));
    const complete = node.log.findIndex((line) => line.includes('Initialization complete'));
    expect(listening).toBeGreaterThanOrEqual(0);
    expect(complete).toBe(listening + 1);
    const client = await Client.greeted(node.socket);
    const status = await client.ask('status');
    expect(JSON.parse(status).Advertisements[0].WorkCommands).toHaveLength(3);
    client.vanish();
    await node.end();
    expect(existsSync(node.socket)).toBe(false);
  });

  it('needs no backend, and opens the port of a tcp-listener', async () => {
    const node = await runDaemon(`- tcp-listener: {port: 0}\n- tcp-peer: 127.0.0.1:1\n${CONTROL}`, directory);
    expect(
      node.log.some((line) => /^DEBUG .* Listening on TCP (\[::\]|0\.0\.0\.0):[0-9]+\n$/.test(line)),
    ).toBe(true);
    expect(node.daemon.idle).toBe(false);
    await node.end();
  });

  it.each([
    ['', 0o600],
    [', permissions: 0660', 0o660],
    [', permissions: "0666"', 0o666],
    // Go's reading of what was meant otherwise; `--help` shows the leading zero.
    [', permissions: 660', 0o224],
  ])('gives its socket the permissions it is told: {filename%s}', async (setting, mode) => {
    const node = await runDaemon(`- control-service: {filename: DIR/foo.sock${setting}}`, directory);
    expect(statSync(node.socket).mode & 0o7777).toBe(mode);
    await node.end();
  });

  it('leaves nothing open when a section cannot be put in force', async () => {
    const bad = `${CONTROL}- work-command: {worktype: a, command: cat}\n- work-command: {worktype: a, command: cat}\n`;
    await expect(runDaemon(bad, directory)).rejects.toThrow('work type a already registered');
    expect(existsSync(join(directory, 'foo.sock'))).toBe(false);
    await (await runDaemon(CONTROL, directory)).end();
  });

  it.each([
    [
      'an unknown TLS config',
      '- control-service: {filename: DIR/a.sock, tls: none}',
      'unknown TLS config none',
    ],
    [
      'an unknown port',
      '- control-service: {tcplisten: abc}',
      'error listening on TCP socket: listen tcp: lookup tcp/abc: unknown port',
    ],
    [
      'a service twice',
      '- control-service: {filename: DIR/a.sock}\n- control-service: {filename: DIR/b.sock}',
      'error opening Unix socket: service control is already listening',
    ],
  ])('says what is wrong: %s', async (_, sections, text) => {
    await expect(runDaemon(sections, directory)).rejects.toThrow(text);
  });

  it('keeps every secret out of its log and its replies, whatever becomes of the submit', async () => {
    const secret = 'hunter2-hunter2';
    const node = await runDaemon(CONTROL + WORK, directory);
    const replies: string[] = [];
    const submits = [
      { node: 'foo', worktype: 'cat', secret_token: secret },
      { node: 'foo', worktype: 'nosuch', secret_token: secret },
      { node: 'bar', worktype: 'cat', secret_token: secret },
      { node: 'foo', worktype: 'cat', secret_token: secret, number: 1 },
      { node: 'foo', worktype: 'cat', secret_token: secret, ttl: '10s' },
    ];
    for (const members of submits) {
      const client = await Client.greeted(node.socket);
      client.send(`${JSON.stringify({ command: 'work', subcommand: 'submit', ...members })}\n${secret}`);
      client.endInput();
      replies.push((await client.rest()).toString());
    }
    const client = await Client.greeted(node.socket);
    client.send(`{"command":"work","subcommand":"submit","secret_token":"${secret}",}\n`);
    replies.push(await client.line(), await client.line(), await client.ask('work list'));
    client.vanish();
    expect(replies.join('')).toContain('Job Started');
    expect(replies.join('')).toContain('cannot send secrets over a non-TLS connection');
    expect(replies.join('') + node.log.join('')).not.toContain(secret);
    await node.end();
  });

  it('lets units run on when it ends, and takes them up again', async () => {
    const first = await runDaemon(CONTROL + WORK, directory);
    const id = await submit(first.socket, 'sleeper');
    await reached(first.socket, id, 'Running');
    await first.daemon.close();
    await first.daemon.close();
    const second = await runDaemon(CONTROL + WORK, directory);
    expect(await reached(second.socket, id, 'Running')).toContain('"WorkType":"sleeper"');
    await stopUnits(second.socket, [id]);
    await second.end();
  });

  it('keeps directories at 0700 and files at 0600', async () => {
    const node = await runDaemon(CONTROL + WORK, directory);
    const id = await submit(node.socket, 'cat', 'x');
    await reached(node.socket, id, 'Succeeded');
    const unit = join(directory, 'data', 'foo', id);
    for (const place of [unit, join(directory, 'data', 'foo')])
      expect(statSync(place).mode & 0o777).toBe(0o700);
    for (const file of ['status', 'stdin', 'stdout'])
      expect(statSync(join(unit, file)).mode & 0o777).toBe(0o600);
    await node.end();
  });
});

describe('the daemon as a process', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'ends cleanly on %s: socket removed, exit code 0',
    async (signal) => {
      const daemon = launch(CONTROL + WORK);
      await daemon.up();
      const client = await Client.greeted(daemon.socket);
      daemon.child.kill(signal);
      expect(await daemon.ended).toEqual({ code: 0, signal: null });
      expect((await client.rest()).length).toBe(0);
      expect(existsSync(daemon.socket)).toBe(false);
      expect(existsSync(`${daemon.socket}.lock`)).toBe(true);
    },
  );

  it('a second one with the same socket ends with Go’s text and touches nothing', async () => {
    const first = launch(CONTROL + WORK);
    await first.up();
    const second = launch(CONTROL + WORK);
    expect(await second.ended).toEqual({ code: 1, signal: null });
    expect(second.seen.output).toBe(
      `Error: error opening Unix socket: could not acquire lock on socket file: fslock is already locked (${first.socket}.lock, held by process ${first.child.pid})\n` +
        `Hint: another daemon (process ${first.child.pid}) has the socket ${first.socket}: stop that one first, or give this one another 'filename' in its control-service\n`,
    );
    const client = await Client.greeted(first.socket);
    expect(await client.ask('ping foo')).toContain('"Success":true');
    client.vanish();
  });

  it('a second one with the same data directory and another socket ends, and leaves the units to the first', async () => {
    const first = launch(CONTROL + WORK);
    await first.up();
    const id = await submit(first.socket, 'sleeper');
    await reached(first.socket, id, 'Running');
    const other = CONTROL.replace('foo.sock', 'bar.sock') + WORK;
    const second = launch(other);
    expect(await second.ended).toEqual({ code: 1, signal: null });
    expect(second.seen.output).toBe(
      `Error: the data directory ${directory}/data/foo is in use by another daemon (process ${first.child.pid}): ` +
        'stop that one first, or give this one another datadir or another node id\n',
    );
    expect(existsSync(join(directory, 'bar.sock'))).toBe(false);
    await reached(first.socket, id, 'Running');

    // The unit's process, which outlives it, does not hold the lock.
    first.child.kill('SIGKILL');
    await first.ended;
    const third = launch(other);
    await third.up();
    await reached(join(directory, 'bar.sock'), id, 'Running');
    await stopUnits(join(directory, 'bar.sock'), [id]);
  });

  it('replaces the socket that a killed one left, and takes up its units', async () => {
    const first = launch(CONTROL + WORK);
    await first.up();
    const id = await submit(first.socket, 'sleeper');
    await reached(first.socket, id, 'Running');
    first.child.kill('SIGKILL');
    await first.ended;
    expect(existsSync(first.socket)).toBe(true);
    const second = launch(CONTROL + WORK);
    await second.up();
    await reached(second.socket, id, 'Running');
    await stopUnits(second.socket, [id]);
  });

  it('survives that it has no file descriptors left, and serves again when there are some', async () => {
    const daemon = launch(CONTROL, 60);
    await daemon.up();
    const crowd = await Promise.all(Array.from({ length: 100 }, () => Client.connect(daemon.socket)));
    const greetings = new Set(await Promise.all(crowd.map((client) => client.line())));
    expect(greetings).toEqual(new Set(['Receptor Control, node foo\n', '']));
    for (const client of crowd) client.vanish();
    const client = await vi.waitFor(async () => {
      const another = await Client.connect(daemon.socket);
      if ((await another.line()) === '') throw new Error('not yet');
      return another;
    });
    expect(await client.ask('ping foo')).toContain('"Success":true');
    client.vanish();
  });

  it('says that there is nothing to do, and exits with 1', async () => {
    const daemon = launch(WORK);
    expect(await daemon.ended).toEqual({ code: 1, signal: null });
    expect(daemon.seen.output).toMatch(/^WARNING .* Nothing to do - no backends are running\.$/m);
    expect(daemon.seen.output).toContain('Run receptor --help for command line instructions.\n');
    expect(daemon.seen.output).not.toContain('Initialization complete');
  });

  it('leaves no handle behind: a program that starts and closes one ends by itself', async () => {
    const script = join(directory, 'embed.mjs');
    const index = new URL('../../dist/index.js', import.meta.url).href;
    writeFileSync(
      join(directory, 'e.yml'),
      `- node: {id: foo, datadir: ${directory}/data}\n${(CONTROL + WORK).replaceAll('DIR', directory)}`,
    );
    writeFileSync(
      script,
      `import { createLogger, parseArguments, startDaemon } from '${index}';
       const log = createLogger({ level: 'error', format: 'text', sink: process.stdout });
       const daemon = await startDaemon(await parseArguments(['-c', '${join(directory, 'e.yml')}']), log);
       await daemon.close();
       console.log('closed');`,
    );
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    started.push(child);
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    expect((await once(child, 'close'))[0]).toBe(0);
    expect(output).toBe('closed\n');
    expect(readFileSync(`${join(directory, 'foo.sock')}.lock`, 'utf8')).toBe('');
  });
});
