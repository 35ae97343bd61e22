import { type DaemonProcess, pythonReceptorctl, run, startDaemon, temporaryDirectory } from '@receptor/e2e';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

describe.skipIf(!pythonReceptorctl)('the Python receptorctl against our daemon', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let daemon: DaemonProcess;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    daemon = await startDaemon({
      directory: directory.path,
      sections: [
        { 'work-command': { worktype: 'cat', command: 'cat' } },
        { 'work-command': { worktype: 'echo', command: 'echo', params: 'fixed', allowruntimeparams: true } },
        { 'work-command': { worktype: 'fail', command: 'sh', params: `-c "exit 7"` } },
        { 'work-command': { worktype: 'endless', command: 'sleep', params: '300' } },
      ],
    });
  });

  afterAll(async () => {
    await daemon.stop();
    await directory.remove();
  });

  const ctl = async (...args: string[]) => {
    if (!pythonReceptorctl) throw new Error('not reached: the tests are skipped');
    const { code, stdout, stderr } = await run(pythonReceptorctl, ['--socket', daemon.socket, ...args]);
    return { code, stdout: stdout.toString(), stderr: stderr.toString() };
  };

  const submit = async (...args: string[]) => {
    const { stdout } = await ctl('work', 'submit', ...args);
    return /^Result: Job Started\nUnit ID: ([0-9a-zA-Z]{8})\n$/.exec(stdout)?.[1] ?? `no unit: ${stdout}`;
  };

  test('status', async () => {
    const { code, stdout } = await ctl('status');
    expect(code).toBe(0);
    expect(stdout).toContain('Node ID: foo');
    expect(stdout).toContain('cat, echo, fail, endless');
  });

  test('work submit, work results, work list, work release', async () => {
    const id = await submit('cat', '-l', 'hello');
    expect(await ctl('work', 'results', id)).toMatchObject({ code: 0, stdout: 'hello\n' });
    expect((await ctl('work', 'list', '-q')).stdout).toContain(id);
    const list = JSON.parse((await ctl('work', 'list', '--unit_id', id)).stdout);
    expect(list[id]).toMatchObject({
      State: 2,
      StateName: 'Succeeded',
      Detail: 'exit status 0',
      StdoutSize: 6,
    });
    expect(await ctl('work', 'release', id)).toMatchObject({
      code: 0,
      stdout: `Released:\n(${id}, released)\n`,
    });
    expect((await ctl('work', 'list', '-q')).stdout).not.toContain(id);
  });

  test('work submit --follow --rm with parameters', async () => {
    const { code, stdout } = await ctl(
      'work',
      'submit',
      'echo',
      '-n',
      '-f',
      '--rm',
      '--param',
      'params=one',
      'two',
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^fixed one two\n\([0-9a-zA-Z]{8}, released\)\n$/);
  });

  test('a unit that fails', async () => {
    const { code, stderr } = await ctl('work', 'submit', 'fail', '-n', '-f');
    expect(code).toBe(1);
    expect(stderr).toContain('Remote unit failed: exit status 7');
  });

  test('refusals', async () => {
    expect(await ctl('work', 'submit', 'nosuch', '-n')).toMatchObject({
      code: 101,
      stderr: expect.stringContaining('unknown work type nosuch'),
    });
    expect(await ctl('work', 'submit', 'cat', '-n', '--param', 'params=x')).toMatchObject({
      code: 101,
      stderr: expect.stringContaining('extra params provided but not allowed'),
    });
    expect(await ctl('work', 'results', 'nosuch12')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('unknown work unit nosuch12'),
    });
  });

  test('work cancel', async () => {
    const id = await submit('endless', '-n');
    expect(await ctl('work', 'cancel', id)).toMatchObject({
      code: 0,
      stdout: `Cancelled:\n(${id}, cancelled)\n`,
    });
    const list = JSON.parse((await ctl('work', 'list', '--unit_id', id)).stdout);
    expect(list[id]).toMatchObject({ State: 4, StateName: 'Canceled' });
  });
});
