import type { Arguments, Options } from './arguments.js';

/** Width of help texts: click's for a terminal of 80 columns. */
const WIDTH = 78;
const INDENT = 2;

/** What help tells of a command, or of a group of them. */
export interface Described {
  /** As typed: `receptorctl work submit`. */
  readonly path: string;
  readonly help?: string;
  readonly options: Options;
  readonly arguments?: Arguments;
  /** Commands of a group, with their one-line descriptions. */
  readonly commands?: ReadonlyMap<string, string>;
  /** Command lines worth showing, each with what it does. */
  readonly examples?: ReadonlyArray<readonly [does: string, line: string]>;
}

/** Breaks a text at blanks; blanks inside a line stay as they are. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const part of text.split(/(\s+)/)) {
    if (part.trim() !== '' && line !== '' && line.length + part.length > width) {
      lines.push(line.trimEnd());
      line = '';
    }
    if (line !== '' || part.trim() !== '') line += part;
  }
  if (line !== '') lines.push(line.trimEnd());
  return lines;
}

/** Two columns, the second wrapped beside the first. */
function table(rows: ReadonlyArray<readonly [string, string]>): string {
  const column = Math.max(...rows.map(([left]) => left.length)) + 2;
  const margin = ' '.repeat(INDENT);
  return rows
    .map(([left, right]) =>
      wrap(right, WIDTH - column - INDENT)
        .map((line, index) => `${margin}${(index === 0 ? left : '').padEnd(column)}${line}\n`)
        .join(''),
    )
    .join('');
}

function usage(described: Described): string {
  const words = Object.entries(described.arguments ?? {}).map(([name, count]) =>
    count === 'many' ? `[${name.toUpperCase()}]...` : name.toUpperCase(),
  );
  if (described.commands) words.push('COMMAND [ARGS]...');
  return `Usage: ${[described.path, '[OPTIONS]', ...words].join(' ')}\n`;
}

/** A command's help as click lays it out; ends with a newline. */
export function helpText(described: Described): string {
  const blocks = [usage(described)];
  if (described.help) blocks.push(`  ${described.help}\n`);
  const options = Object.values(described.options).map(
    ({ names, metavar, help }) => [[names.join(', '), metavar].filter(Boolean).join(' '), help] as const,
  );
  blocks.push(`Options:\n${table([...options, ['--help', 'Show this message and exit.']])}`);
  if (described.commands) blocks.push(`Commands:\n${table([...described.commands])}`);
  return blocks.join('\n');
}

/** The examples that `--help` adds below click's layout; empty where there are none. */
export function exampleText(described: Described): string {
  if (!described.examples?.length) return '';
  const examples = described.examples.map(([does, line]) => `  # ${does}\n  ${line}\n`);
  return `\nExamples:\n${examples.join('')}`;
}
