import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { renderCompletion } from '../../src/config/help.js';
import { SECTIONS } from '../../src/config/sections/index.js';

function hasBash(): boolean {
  try {
    return execFileSync('bash', ['-c', '((BASH_VERSINFO[0] >= 4))']).length === 0;
  } catch {
    return false;
  }
}

/** What bash offers after these words, the last of which is being typed. */
async function offered(...words: string[]): Promise<string[]> {
  const script = `${renderCompletion('my-receptor')}
COMP_WORDS=(my-receptor "$@"); COMP_CWORD=$#
compopt() { :; }
_my_receptor
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await promisify(execFile)('bash', ['-c', script, 'bash', ...words]);
  return stdout.split('\n').filter(Boolean);
}

describe.skipIf(!hasBash())('the completion for bash (4 or newer)', () => {
  it('offers every section', async () => {
    expect(await offered('')).toEqual(expect.arrayContaining(SECTIONS.map(({ name }) => `--${name}`)));
    expect(await offered('--tcp-l')).toEqual(['--tcp-listener']);
    expect(await offered('--node', 'id=foo', '--log')).toEqual(['--log-level']);
  });

  it('offers the fields of the section that is being typed', async () => {
    expect(await offered('--control-service', 'p')).toEqual(['permissions=']);
    expect(await offered('--Work-Command', 'worktype=a', 'allow')).toEqual(['allowruntimeparams=']);
  });

  it('offers files after -c and --config', async () => {
    const here = new URL('.', import.meta.url).pathname;
    expect(await offered('-c', `${here}completion`)).toEqual([`${here}completion.component.ts`]);
    expect(await offered('--config', `${here}completion`)).toEqual([`${here}completion.component.ts`]);
  });
});
