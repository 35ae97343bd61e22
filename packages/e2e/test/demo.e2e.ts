import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const program = fileURLToPath(new URL('../dist/demo/main.js', import.meta.url));

/** Runs the demonstration on the simulator; `upTo` is what it has to print before it gets a SIGINT. */
async function demonstrate(upTo?: string) {
  const { KUBECONFIG: _, ...env } = process.env;
  const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let interrupted = false;
  const read = (chunk: Buffer) => {
    output += chunk.toString();
    if (interrupted || upTo === undefined || !output.includes(upTo)) return;
    interrupted = true;
    // Twice, as npm's programs do.
    child.kill('SIGINT');
    child.kill('SIGINT');
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  const [code] = await once(child, 'close');
  const directory = /\S*\/rcpt-\w+/.exec(output)?.[0] ?? 'no directory was named';
  return { code, output, directory };
}

const isRunning = (pid: string, words: string) => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(words);
  } catch {
    return false;
  }
};

/** Processes that have the directory among their arguments. */
const processesOf = (directory: string) => readdirSync('/proc').filter((pid) => isRunning(pid, directory));

describe.skipIf(!existsSync('/proc'))('the demonstration', () => {
  it('shows a unit from its submission to its output and its release', async () => {
    const { code, output, directory } = await demonstrate();
    expect(output).toMatch(/Unit ID: \w{8}\n.*\nThe Pod is running\n.*"Succeeded".*, released\)\n/s);
    expect(output).toContain('# Done. Nothing is left running.');
    expect(code).toBe(0);
    expect(existsSync(directory)).toBe(false);
    expect(processesOf(directory)).toEqual([]);
  });

  it.each(['# The pod to run', 'Unit ID: ', 'The Pod is running\n'])(
    'leaves nothing when it is interrupted after %j',
    async (upTo) => {
      const { code, output, directory } = await demonstrate(upTo);
      expect(output).toContain('# Interrupted. Nothing is left running.');
      expect(code).toBe(130);
      expect(existsSync(directory)).toBe(false);
      expect(processesOf(directory)).toEqual([]);
    },
  );
});
