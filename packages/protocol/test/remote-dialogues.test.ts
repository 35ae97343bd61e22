import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encodeCommand, errorFromReply, isErrorLine, parseCommandLine } from '../src/index.js';

interface Step {
  from?: 'submitter' | 'executor';
  text?: string;
}

/** What Go nodes said to each other about remote units, by file. */
const dialogues = readdirSync(new URL('vectors', import.meta.url))
  .filter((file) => file.startsWith('remote_'))
  .map((file) => {
    const { connections } = JSON.parse(readFileSync(new URL(`vectors/${file}`, import.meta.url), 'utf8'));
    const steps: Step[] = connections.flatMap((connection: { steps: Step[] }) => connection.steps);
    return [file, steps] as const;
  });
const lines = dialogues.flatMap(([file, steps]) =>
  steps.flatMap(({ from, text = '' }) =>
    from === 'submitter' && /^(\{|work )/.test(text) ? [[file, text] as const] : [],
  ),
);
const errors = dialogues.flatMap(([file, steps]) =>
  steps.flatMap(({ from, text = '' }) =>
    from === 'executor' && isErrorLine(text) ? [[file, text] as const] : [],
  ),
);

describe('what a Go node sends to another about a unit', () => {
  it('is every kind of command', () => {
    const kinds = lines.map(([, line]) => {
      const command = parseCommandLine(line);
      return command?.command === 'work' ? command.subcommand : command?.command;
    });
    expect(new Set(kinds)).toEqual(new Set(['submit', 'status', 'results', 'cancel', 'release']));
  });

  it.each(lines)('%s: %s is a command that says the same when it is written again', (_file, line) => {
    const command = parseCommandLine(line);
    if (command === undefined) expect.fail('no command');
    expect(parseCommandLine(encodeCommand(command))).toEqual(command);
    if (!line.startsWith('{')) return;
    const members = JSON.parse(line);
    expect(command).toMatchObject({
      subcommand: members.subcommand,
      ...(members.signature && { signature: members.signature }),
      ...(members.node && { node: members.node, workType: members.worktype }),
    });
  });

  it.each(errors)('%s: %s is an error with a code of its own', (_file, line) => {
    expect(errorFromReply(line).code).not.toBe('RECEPTOR_REMOTE');
  });

  it('has errors of every kind', () => {
    expect(new Set(errors.map(([, line]) => errorFromReply(line).code))).toEqual(
      new Set(['RECEPTOR_SIGNATURE', 'RECEPTOR_UNKNOWN_UNIT', 'RECEPTOR_UNKNOWN_WORK_TYPE']),
    );
  });
});
