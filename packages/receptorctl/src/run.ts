import { parseGroup } from './arguments.js';
import { type Command, commands, type Group } from './commands.js';
import { Failure } from './failure.js';
import { globalOptions } from './global-options.js';
import { type Described, exampleText, helpText } from './help.js';
import { suggestion, tell } from './hints.js';
import { UsageError } from './options.js';
import { Output, type Streams } from './output.js';

const top: Described = {
  path: 'receptorctl',
  options: globalOptions,
  commands: new Map([...commands].map(([name, { summary }]) => [name, summary])),
  examples: [
    ['Show the node and what it knows of the mesh', 'receptorctl --socket /tmp/foo.sock status'],
    ['Run work and print its output', 'receptorctl --socket /tmp/foo.sock work submit cat -l hello -f'],
    ['Every command explains itself, with no daemon running', 'receptorctl work submit --help'],
  ],
};

/** Follows the words that name a command; what is left is the command's own line. */
function resolve(words: readonly string[], env: NodeJS.ProcessEnv) {
  let among = commands;
  let rest = words;
  for (;;) {
    const [name, ...after] = rest;
    if (name === undefined) throw new UsageError('Missing command.');
    const found: Command | Group | undefined = among.get(name);
    if (!found) {
      const meant = suggestion(name, among.keys());
      throw new UsageError(
        `No such command '${name}'.`,
        meant ? `did you mean '${meant}'?` : `the commands are ${[...among.keys()].join(', ')}`,
      );
    }
    if ('read' in found) return { command: found, args: after };
    if (after.length === 0) throw new UsageError(helpText(found).trimEnd());
    const parsed = parseGroup(after, found.options, env);
    if (parsed.help) return { group: found };
    among = found.members;
    rest = parsed.rest;
  }
}

/**
 * Runs one command line.
 * @param args the words after the program's name
 * @param streams where to read and write; `process` is one
 * @param env the environment
 * @param signal ends what is under way; the exit code is then 130
 * @returns the exit code (reference: control, 9)
 */
export async function run(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<number> {
  const output = new Output(streams, env);
  const showHelp = (described: Described) => {
    output.text(helpText(described) + exampleText(described));
    return 0;
  };
  try {
    const shell = env._RECEPTORCTL_COMPLETE;
    if (shell) return await (await import('./completion.js')).complete(shell, output, env, signal);
    if (args.length === 0) throw new UsageError(helpText(top).trimEnd());
    const globals = parseGroup(args, globalOptions, env);
    if (globals.help) return showHelp(top);
    // Help needs no daemon, so it needs no address of one.
    if (globals.values.socket === undefined && !args.includes('--help')) {
      throw new UsageError('Missing parameter: socket');
    }
    const { command, args: line = [], group } = resolve(globals.rest, env);
    if (command === undefined) return showHelp(group);
    const invocation = command.read(line, env);
    if (invocation.help) return showHelp(command);
    const { withClient } = await import('./call.js');
    return await withClient(globals.values, output, signal, invocation.run);
  } catch (error) {
    return report(error, output, signal);
  }
}

const INTERRUPTED = 130;

/** Tells why a command ended, and gives its exit code. */
function report(error: unknown, output: Output, signal: AbortSignal): number {
  // A reader that has seen enough (`| head`) is no error to speak of; the Python client exits 1 too.
  if (error instanceof Error && 'code' in error && error.code === 'EPIPE') return 1;
  if (signal.aborted) return INTERRUPTED;
  const { text, hint } = tell(error);
  if (text) output.error(text);
  if (hint) output.hint(hint);
  return error instanceof Failure ? error.exitCode : 1;
}
