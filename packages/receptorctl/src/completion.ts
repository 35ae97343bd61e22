import type { ReceptorClient } from '@receptor/protocol';
import type { Options } from './arguments.js';
import { withClient } from './call.js';
import { type Command, commands, type Group } from './commands.js';
import { Failure } from './failure.js';
import { globalOptions } from './global-options.js';
import type { Output } from './output.js';
import { sortedEntries } from './python.js';

/** What a person at a prompt may type next. */
export interface Candidates {
  readonly words: readonly string[];
  /** Whether a file's name fits. */
  readonly files?: boolean;
}

const NONE: Candidates = { words: [] };
const FILES: Candidates = { words: [], files: true };

/** Hooks receptorctl into bash; `file` stands for whatever bash itself completes. */
const BASH = `_receptorctl_completion() {
    local IFS=$'\\n' line
    COMPREPLY=()
    for line in $(COMP_WORDS="\${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD _RECEPTORCTL_COMPLETE=bash_complete "$1" 2>/dev/null); do
        if [[ $line == file ]]; then compopt -o default; else COMPREPLY+=("\${line#plain,}"); fi
    done
}
complete -o nosort -F _receptorctl_completion receptorctl
`;

/** Asks the daemon for words; whatever goes wrong, there are none. */
type Ask = (question: (client: ReceptorClient) => Promise<readonly string[]>) => Promise<readonly string[]>;

const nodes = async (client: ReceptorClient) =>
  sortedEntries((await client.status()).KnownConnectionCosts ?? {}).map(([node]) => node);
const units = async (client: ReceptorClient) =>
  sortedEntries(await client.workList()).map(([unitId]) => unitId);
const workTypes = async (client: ReceptorClient) => {
  const { Advertisements } = await client.status();
  const types = (Advertisements ?? []).flatMap(({ WorkCommands }) => WorkCommands ?? []);
  return [...new Set(types.map(({ WorkType }) => WorkType))];
};

/** What the daemon knows of an option's or argument's values, by its name. */
const QUESTIONS: Readonly<Record<string, (client: ReceptorClient) => Promise<readonly string[]>>> = {
  node: nodes,
  unitId: units,
  unit_id: units,
  unit_ids: units,
  worktype: workTypes,
};
const FILE_OPTIONS: ReadonlySet<string> = new Set(['socket', 'config', 'rootcas', 'key', 'cert', 'payload']);

/** Where in a command line the next word stands. */
interface Place {
  /** Those that may be given; none after `--`. */
  readonly options: Options | undefined;
  /** The commands it may name. */
  readonly among?: ReadonlyMap<string, Command | Group>;
  /** The option whose value, or the argument which it is. */
  readonly name?: string | undefined;
}

function locate(words: readonly string[]): Place | undefined {
  let among: ReadonlyMap<string, Command | Group> | undefined = commands;
  let options: Options = globalOptions;
  let expected: string[] = [];
  let awaited: string | undefined;
  let onlyArguments = false;
  for (const word of words) {
    const option = Object.entries(options).find(([, { names }]) => names.includes(word));
    if (awaited !== undefined) awaited = undefined;
    else if (word === '--' && !onlyArguments) onlyArguments = true;
    else if (option && !onlyArguments) awaited = option[1].metavar === undefined ? undefined : option[0];
    else if (word.startsWith('-') && !onlyArguments) continue;
    else if (among !== undefined) {
      const found: Command | Group | undefined = among.get(word);
      if (found === undefined) return undefined;
      options = found.options;
      among = 'members' in found ? found.members : undefined;
      expected = Object.entries(found.arguments ?? {}).map(([name, count]) =>
        count === 'many' ? `${name}...` : name,
      );
    } else if (!expected[0]?.endsWith('...')) expected.shift();
  }
  const name = awaited ?? expected[0]?.replace(/\.\.\.$/, '');
  return {
    options: onlyArguments ? undefined : options,
    name,
    ...(among !== undefined && awaited === undefined && { among }),
  };
}

/** The candidates for the last of the words behind the program's name. */
export async function candidates(words: readonly string[], ask: Ask): Promise<Candidates> {
  const current = words.at(-1) ?? '';
  const place = locate(words.slice(0, -1));
  if (place === undefined) return NONE;
  const matching = (all: Iterable<string>) => ({
    words: [...all].filter((word) => word.startsWith(current)),
  });
  if (current.startsWith('-') && place.options) {
    const long = Object.values(place.options).flatMap(({ names }) =>
      names.filter((name) => name.startsWith('--')),
    );
    return matching([...long, '--help']);
  }
  if (place.among) return matching(place.among.keys());
  const { name = '' } = place;
  if (FILE_OPTIONS.has(name)) return FILES;
  const question = QUESTIONS[name];
  return question ? matching(await ask(question)) : NONE;
}

/** The value of a global option on a line that is not complete yet. */
function globalValue(words: readonly string[], name: string): string | undefined {
  const at = words.findIndex((word) => word === name || word.startsWith(`${name}=`));
  const word = words[at];
  return word === name ? words[at + 1] : word?.slice(name.length + 1);
}

const PATIENCE_MS = 1000;

/**
 * Completes a command line for a shell.
 * @param how what the shell wants: `bash_source` the code that hooks it in, `bash_complete` candidates for the word
 *   `COMP_CWORD` among `COMP_WORDS`, one a line
 * @throws Failure for another shell
 */
export async function complete(
  how: string,
  output: Output,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<number> {
  if (how === 'bash_source') {
    output.text(BASH);
    return 0;
  }
  if (how !== 'bash_complete') throw new Failure(1, `no completion for ${how}: bash_source is there`);
  const all = (env.COMP_WORDS ?? '').split('\n');
  const words = all.slice(1, Number(env.COMP_CWORD) + 1);
  const ask: Ask = async (question) => {
    const given = (name: string) => globalValue(words, name);
    const globals = {
      socket: given('--socket') ?? env.RECEPTORCTL_SOCKET,
      config: given('--config') ?? given('-c') ?? env.RECEPTORCTL_CONFIG,
      tlsClient: env.RECEPTORCTL_TLSCLIENT,
      rootcas: given('--rootcas'),
      key: given('--key'),
      cert: given('--cert'),
      insecureskipverify: given('--insecureskipverify') === 'true',
    };
    let answer: readonly string[] = [];
    // AbortSignal.timeout would not do: Node 20 may collect one that only AbortSignal.any refers to.
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), PATIENCE_MS);
    await withClient(globals, output, AbortSignal.any([signal, over.signal]), async ({ client }) => {
      answer = await question(client);
      return 0;
    }).catch(() => {});
    clearTimeout(timer);
    return answer;
  };
  const { words: found, files } = await candidates(words, ask);
  for (const word of found) output.line(`plain,${word}`);
  if (files) output.line('file');
  return 0;
}
