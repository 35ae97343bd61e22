import { describe, expect, it } from 'vitest';
import { runCaptured } from './capture.js';
import { capturedRuns } from './vectors.js';

const runs = capturedRuns('receptorctl');
const helpRuns = runs.filter((captured) => captured.argv.includes('--help'));
const bareGroups = runs.filter((captured) => captured.stderr.startsWith('ERROR: Usage:'));

describe('help', () => {
  it('has captured texts to compare with', () => {
    expect(helpRuns.length).toBeGreaterThanOrEqual(13);
    expect(bareGroups).toHaveLength(2);
  });

  it.each(helpRuns.map((captured) => [captured.argv.slice(1).join(' '), captured] as const))(
    'of `%s` is laid out as the Python client lays it out, examples apart',
    async (_line, captured) => {
      const words = captured.argv.slice(1).filter((word) => word !== '--socket' && word !== 'foo.sock');
      const { exit, stdout, stderr } = await runCaptured(words);
      expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
      expect(stdout.split('\nExamples:\n')[0]).toBe(captured.stdout);
    },
  );

  it.each(bareGroups.map((captured) => [captured.argv.join(' '), captured] as const))(
    'is the error of `%s`, which names no command',
    async (_line, captured) => {
      expect(await runCaptured(captured.argv.slice(1))).toEqual({
        exit: 1,
        stdout: '',
        stderr: captured.stderr,
      });
    },
  );

  it('needs neither an address nor complete arguments', async () => {
    expect((await runCaptured(['work', 'submit', '--help'])).exit).toBe(0);
    expect((await runCaptured(['ping', '--count', 'x', '--help'])).exit).toBe(0);
  });

  it('does not hide a mistake in the options', async () => {
    expect((await runCaptured(['status', '--help', '--bogus'])).stderr).toBe(
      'ERROR: No such option: --bogus\n',
    );
    expect((await runCaptured(['nosuch', '--help'])).stderr).toBe("ERROR: No such command 'nosuch'.\n");
  });
});

describe('the examples of help', () => {
  const paths = [
    '',
    'connect',
    'ping',
    'reload',
    'status',
    'traceroute',
    'version',
    'work',
    'work cancel',
    'work list',
    'work release',
    'work results',
    'work submit',
  ];

  it.each(paths)('of `receptorctl %s` are there, and their lines can be read', async (path) => {
    const { stdout } = await runCaptured([...path.split(' ').filter(Boolean), '--help']);
    const [, text = ''] = stdout.split('\nExamples:\n');
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('  # '));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      // The words of receptorctl's own part of the line.
      const [, part = ''] = /receptorctl ((?:[^|;>"]|"[^"]*")*)/.exec(line) ?? [];
      const words = part.trim().replace('/tmp/foo.sock', '/nonexistent/socket').split(/ +/);
      const { stderr } = await runCaptured(['--socket', '/nonexistent/socket', ...words]);
      // It gets as far as connecting, or shows help.
      expect(stderr.replace('ERROR: Socket path does not exist: /nonexistent/socket\n', '')).toBe('');
    }
  });
});
