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
