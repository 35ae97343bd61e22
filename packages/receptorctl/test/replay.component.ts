import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runCaptured } from './capture.js';
import { replay } from './fake-daemon.js';
import { capturedRuns } from './vectors.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/** The wire of every run of the Python client that was captured, with ours in its place. */
describe('a captured dialogue', () => {
  const runs = capturedRuns('receptorctl_wire');

  it('is there for every command', () => {
    expect(runs).toHaveLength(15);
  });

  it.each(runs.map((run) => [run.argv.slice(3).join(' '), run] as const))(
    'of `%s` goes over the wire the same and prints the same',
    async (_line, run) => {
      await using daemon = await replay(run, version);
      const args = run.argv.slice(1).map((word) => (word === 'foo.sock' ? daemon.path : word));
      const outcome = await runCaptured(args);
      expect(daemon.failures).toEqual([]);
      expect(outcome).toEqual({
        exit: run.exit,
        stdout: run.stdout.replaceAll('1.6.9', version),
        stderr: run.stderr,
      });
      expect(daemon.connections).toBe(run.connections?.length);
    },
  );
});
