import { describe, expect, it } from 'vitest';
import { parse, parseGroup } from '../src/arguments.js';
import { boolean, flag, float, integer, text, texts } from '../src/options.js';
import { runCaptured } from './capture.js';

const options = {
  node: text(['--node'], ''),
  payload: text(['-p', '--payload'], '', { env: 'PAYLOAD' }),
  noPayload: flag(['-n', '--no-payload'], ''),
  follow: flag(['-f', '--follow'], ''),
  param: texts(['-a', '--param'], ''),
  count: integer(['--count'], '', 4),
  delay: float(['--delay'], '', 1),
  insecure: boolean(['--insecure'], ''),
};

function values(...args: string[]) {
  const parsed = parse(args, options, { worktype: 'one', words: 'many' }, {});
  if (parsed.help) throw new Error('help');
  return parsed.values;
}

describe('a command line', () => {
  it.each([
    [
      'options before and after arguments',
      ['-n', 'cat', 'x', '--follow'],
      { noPayload: true, follow: true, words: ['x'] },
    ],
    ['short flags together', ['cat', '-nf'], { noPayload: true, follow: true }],
    ['a value glued to a short option', ['cat', '-pfile'], { payload: 'file' }],
    ['a value glued to short flags', ['cat', '-nfpfile'], { noPayload: true, follow: true, payload: 'file' }],
    ['stdin as a glued value', ['cat', '-p-'], { payload: '-' }],
    ['stdin as a separate value', ['cat', '-p', '-'], { payload: '-' }],
    ['an equals sign after a short option as part of the value', ['cat', '-p=x'], { payload: '=x' }],
    ['a value after an equals sign', ['cat', '--node=a=b'], { node: 'a=b' }],
    ['an empty value', ['cat', '--node='], { node: '' }],
    ['a value that looks like an option', ['cat', '--node', '--payload'], { node: '--payload' }],
    ['the last of several values', ['cat', '--node', 'a', '--node', 'b'], { node: 'b' }],
    ['every value of a repeatable option', ['cat', '-a', 'x=1', '--param=y=2'], { param: ['x=1', 'y=2'] }],
    [
      'words after -- as they are',
      ['cat', '-n', '--', '-f', '--node'],
      { follow: false, words: ['-f', '--node'] },
    ],
    ['numbers', ['cat', '--count', '-1', '--delay', '0.5'], { count: -1, delay: 0.5 }],
    ['a truth value in any spelling', ['cat', '--insecure', 'Yes'], { insecure: true }],
    ['defaults', ['cat'], { count: 4, delay: 1, param: [], noPayload: false, node: undefined }],
  ])('may hold %s', (_what, args, expected) => {
    expect(values(...args)).toMatchObject({ worktype: 'cat', ...expected });
  });

  it('takes an absent option from its environment variable, unless that is empty', () => {
    const read = (env: NodeJS.ProcessEnv, ...args: string[]) => parse(args, options, {}, env);
    expect(read({ PAYLOAD: 'x' })).toMatchObject({ values: { payload: 'x' } });
    expect(read({ PAYLOAD: 'x' }, '-py')).toMatchObject({ values: { payload: 'y' } });
    expect(read({ PAYLOAD: '' })).toMatchObject({ values: { payload: undefined } });
  });

  it('ends the options of a group at the first word', () => {
    const { rest } = parseGroup(['--node', 'a', 'status', '--json', '--bogus'], options, {});
    expect(rest).toEqual(['status', '--json', '--bogus']);
    expect(parseGroup(['--node', 'a', '--', 'status', '--', 'x'], options, {}).rest).toEqual([
      'status',
      '--',
      'x',
    ]);
  });
});

// Captured from the Python client with RECEPTORCTL_SOCKET set.
describe('a mistake in a command line', () => {
  it.each([
    [['--socket'], "Option '--socket' requires an argument."],
    [['--json', 'status'], 'No such option: --json'],
    [['-h'], 'No such option: -h'],
    [['--bogus', '--help'], 'No such option: --bogus'],
    [['stat'], "No such command 'stat'."],
    [[''], "No such command ''."],
    [['--socket', 'x'], 'Missing command.'],
    [['work', 'nosuch'], "No such command 'nosuch'."],
    [['work', '--bogus'], 'No such option: --bogus'],
    [['status', '--json=1'], "Option '--json' does not take a value."],
    [['status', '--jsn'], 'No such option: --jsn'],
    [['ping'], 'Missing parameter: node'],
    [['ping', 'a', 'b', 'c'], 'Got unexpected extra arguments (b c)'],
    [['ping', 'bar', '--count', 'x'], "'x' is not a valid integer."],
    [['ping', 'bar', '--count=1.5'], "'1.5' is not a valid integer."],
    [['ping', 'bar', '--delay', 'y'], "'y' is not a valid float."],
    [['reload', 'extra'], 'Got unexpected extra argument (extra)'],
    [['connect'], 'Missing parameter: node'],
    [['connect', 'a'], 'Missing parameter: service'],
    [['work', 'results'], 'Missing parameter: unit_id'],
    [['work', 'submit'], 'Missing parameter: worktype'],
    [['work', 'submit', '-n'], 'Missing parameter: worktype'],
    [['work', 'submit', 'cat', '-nfq'], 'No such option: -q'],
    [['work', 'submit', 'cat', '-p'], "Option '-p' requires an argument."],
    [['work', 'submit', 'cat', '--no-payload=1'], "Option '--no-payload' does not take a value."],
    [['work', 'cancel', '--x'], 'No such option: --x'],
    [
      ['--insecureskipverify', 'maybe', 'version'],
      "'maybe' is not a valid boolean. Recognized values: , 0, 1, f, false, n, no, off, on, t, true, y, yes",
    ],
  ])('%j is reported in the words of the Python client', async (args, message) => {
    const env = { RECEPTORCTL_SOCKET: '/nonexistent/receptor.sock' };
    expect(await runCaptured(args, { env })).toEqual({ exit: 1, stdout: '', stderr: `ERROR: ${message}\n` });
  });

  it('is a missing socket before anything about the command', async () => {
    for (const args of [['status'], ['nosuch'], ['work']]) {
      expect((await runCaptured(args)).stderr).toBe('ERROR: Missing parameter: socket\n');
    }
    expect((await runCaptured(['--bogus'])).stderr).toBe('ERROR: No such option: --bogus\n');
  });
});
