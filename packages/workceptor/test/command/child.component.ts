import { EventEmitter, once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { spawnWithNode } from '../../src/workers/command/child.js';
import { loadPosixSpawn } from '../../src/workers/command/posix-spawn.js';
import { watchForLeaks } from '../support/leaks.js';
import { until } from '../support/node.js';

const posixSpawn = await loadPosixSpawn();

const isGone = (pid: number) => !existsSync(`/proc/${pid}`);

test('posix_spawn(3) is there on Linux', () => {
  expect(posixSpawn !== undefined).toBe(process.platform === 'linux');
});

describe.each([
  ['posix_spawn(3)', posixSpawn],
  ['Node', spawnWithNode],
] as const)('a child started with %s', (_, spawn) => {
  if (!spawn) return;
  let directory: string;
  let leaks: ReturnType<typeof watchForLeaks>;
  const start = async (path: string, args: string[]) => {
    const exits = new EventEmitter();
    const exited = once(exits, 'exit');
    const onExit = (...end: [number | null, string | null]) => exits.emit('exit', ...end);
    return { child: await spawn(path, args, onExit), exited };
  };
  const sh = (script: string, ...args: string[]) => start('/bin/sh', ['-c', script, 'sh', ...args]);

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'receptor-test-'));
    leaks = watchForLeaks(directory);
  });
  afterEach(async () => {
    await leaks.assertNone();
    rmSync(directory, { recursive: true });
  });

  test('tells its exit status, and leaves no zombie', async () => {
    const { child, exited } = await sh('exit 7');
    expect(await exited).toEqual([7, null]);
    expect(isGone(child.pid)).toBe(true);
  });

  test('tells the signal that killed it', async () => {
    const { exited } = await sh('kill -9 $$');
    expect(await exited).toEqual([null, 'SIGKILL']);
  });

  test('is told apart from others that end at the same time', async () => {
    const children = await Promise.all(Array.from({ length: 100 }, (_, i) => sh(`exit ${i}`)));
    const ends = await Promise.all(children.map(({ exited }) => exited));
    expect(ends.map(([code]) => code)).toEqual(children.map((_, i) => i));
  });

  test('gets its arguments and the environment as they are', async () => {
    process.env.RECEPTOR_TEST_VARIABLE = 'näh = "x"\nline';
    const file = join(directory, 'out');
    const words = ['', 'two words', 'ümlaut', "quo'te", '$HOME', 'x'.repeat(100_000)];
    const { exited } = await sh(
      'f=$1; shift; printf "%s|" "$RECEPTOR_TEST_VARIABLE" "$@" >$f',
      file,
      ...words,
    );
    delete process.env.RECEPTOR_TEST_VARIABLE;
    expect(await exited).toEqual([0, null]);
    expect(readFileSync(file, 'utf8')).toBe(`${['näh = "x"\nline', ...words].join('|')}|`);
  });

  test('leads a session, and has no signal ignored or blocked and no file of ours open', async () => {
    const [file, ours] = [join(directory, 'out'), openSync(join(directory, 'ours'), 'w')];
    // The shell's own mask changes while it waits.
    const { child, exited } = await sh(
      'readlink /proc/$$/fd/* >$1; cat /proc/$$/stat /proc/self/status >>$1',
      file,
    );
    await exited;
    closeSync(ours);
    const text = readFileSync(file, 'utf8');
    const [, , group, session] = (/^\d+ \(sh\) (.*)$/m.exec(text)?.[1] ?? '').split(' ');
    expect([group, session]).toEqual([String(child.pid), String(child.pid)]);
    for (const name of ['SigBlk', 'SigIgn']) expect(text).toMatch(new RegExp(`^${name}:\\s+0+$`, 'm'));
    expect(text).toMatch(/^\/dev\/null$/m);
    expect(text).not.toContain(join(directory, 'ours'));
  });

  test('is reaped after it was let go, and nobody is told', async () => {
    const { child, exited } = await sh('sleep 0.1');
    child.letGo();
    await until(() => isGone(child.pid));
    expect(await Promise.race([exited, 'nobody'])).toBe('nobody');
  });

  test('is refused with what the system says', async () => {
    await expect(start('/nonexistent/program', [])).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(start('/bin/sh', ['-c', ':', 'x'.repeat(10_000_000)])).rejects.toMatchObject({
      code: 'E2BIG',
    });
    await expect(sh('a\0b')).rejects.toThrow('null byte');
  });
});
