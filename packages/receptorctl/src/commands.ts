import type { Arguments, Options, Values } from './arguments.js';
import { parse } from './arguments.js';
import type { Call } from './call.js';
import type { Described } from './help.js';
import { flag, float, integer, text, texts } from './options.js';

/** A command read from its line: a request for its help, or what runs it and gives the exit code. */
export type Invocation = { help: true } | { help: false; run(call: Call): Promise<number> };

/** A command: what help says of it, and how its line is read. */
export interface Command extends Described {
  /** Its line in the help of the group. */
  readonly summary: string;
  /** Reads its line. Throws a UsageError in click's words. */
  read(args: readonly string[], env: NodeJS.ProcessEnv): Invocation;
}

/** Commands under one word. */
export interface Group extends Described {
  readonly summary: string;
  readonly members: ReadonlyMap<string, Command | Group>;
}

interface Definition<O extends Options, A extends Arguments> extends Described {
  readonly options: O;
  readonly arguments: A;
  readonly summary?: string;
  /** Loads the one module that does the work, and nothing before it is needed. */
  load(): Promise<{ run(call: Call, values: Values<O, A>): Promise<number> }>;
}

function command<O extends Options, A extends Arguments>(definition: Definition<O, A>): Command {
  const { options, arguments: expected, load, ...described } = definition;
  return {
    ...described,
    options,
    arguments: expected,
    summary: definition.summary ?? definition.help ?? '',
    read(args, env) {
      const parsed = parse(args, options, expected, env);
      if (parsed.help) return parsed;
      return { help: false, run: async (call) => (await load()).run(call, parsed.values) };
    },
  };
}

function group(described: Described & { summary: string }, members: Record<string, Command | Group>): Group {
  const map = new Map(Object.entries(members));
  const commands = new Map([...map].map(([name, member]) => [name, member.summary] as const));
  return { ...described, commands, members: map };
}

const tlsClientToNode = () =>
  text(['--tls-client'], 'TLS client config name used when connecting to remote node', { initial: '' });

const submit = command({
  path: 'receptorctl work submit',
  help: 'Submit a new unit of work.',
  options: {
    node: text(['--node'], 'Receptor node to run the work on. Defaults to the local node.'),
    payload: text(['-p', '--payload'], 'File containing unit of work data. Use - for stdin.'),
    payloadLiteral: text(
      ['-l', '--payload-literal'],
      'Use the command line string as the literal unit of work data.',
    ),
    noPayload: flag(['-n', '--no-payload'], 'Send an empty payload.'),
    tlsClient: text(['--tls-client'], 'TLS client used when submitting work to a remote node'),
    ttl: text(['--ttl'], 'Time to live until remote work must start, e.g. 1h20m30s or 30m10s'),
    signwork: flag(['--signwork'], 'Digitally sign remote work submissions'),
    follow: flag(['-f', '--follow'], 'Remain attached to the job and print its results to stdout'),
    rm: flag(['--rm'], 'Release unit after completion'),
    param: texts(['-a', '--param'], 'Additional Receptor parameter (key=value format)'),
  },
  arguments: { worktype: 'one', cmdparams: 'many' },
  examples: [
    ['Run a work type on this node and print its output', 'receptorctl work submit cat -l hello -f'],
    [
      'Send a file to another node, and remove the unit when it has ended',
      'receptorctl work submit --node bar upper -p input.txt -f --rm',
    ],
    [
      "Start a pod; @FILE stands for the file's text",
      'receptorctl work submit kubeit -n -a secret_kube_config=@kubeconfig -a secret_kube_pod=@pod.yml',
    ],
    ['Give parameters that start with a dash', 'receptorctl work submit -n list -- -l /tmp'],
  ],
  load: () => import('./commands/submit.js'),
});

const work = group(
  {
    path: 'receptorctl work',
    help: 'Commands related to unit-of-work processing',
    summary: 'Commands related to unit-of-work processing',
    options: {},
    examples: [
      ['Start work; its ID is printed', 'receptorctl work submit cat -l hello'],
      ['Read its output', 'receptorctl work results FfpQ4zk2'],
      ['Remove it', 'receptorctl work release FfpQ4zk2'],
    ],
  },
  {
    cancel: command({
      path: 'receptorctl work cancel',
      help: 'Cancel (kill) one or more units of work.',
      options: {},
      arguments: { unit_ids: 'many' },
      examples: [['End a unit; its output so far stays', 'receptorctl work cancel FfpQ4zk2']],
      load: () => import('./commands/cancel.js'),
    }),
    list: command({
      path: 'receptorctl work list',
      help: 'List known units of work.',
      options: {
        quiet: flag(['-q', '--quiet'], 'Only list unit IDs with no detail'),
        node: text(['--node'], 'Receptor node to list work from. Defaults to the local node.'),
        unitId: text(['--unit_id'], 'Only show detail for a specific unit id'),
        tlsClient: tlsClientToNode(),
      },
      arguments: {},
      examples: [
        ['Show what every unit does, with the reason where one failed', 'receptorctl work list'],
        ['Show one unit', 'receptorctl work list --unit_id FfpQ4zk2'],
        ['List the IDs of the units on another node', 'receptorctl work list -q --node bar'],
      ],
      load: () => import('./commands/list.js'),
    }),
    release: command({
      path: 'receptorctl work release',
      help: 'Release (delete) one or more units of work.',
      options: {
        force: flag(['--force'], "Delete locally even if we can't reach the remote node"),
        all: flag(['--all'], 'Delete all work units'),
      },
      arguments: { unit_ids: 'many' },
      examples: [
        ['Remove a unit and its output', 'receptorctl work release FfpQ4zk2'],
        ['Remove a unit whose other node is gone for good', 'receptorctl work release --force FfpQ4zk2'],
        ['Remove everything', 'receptorctl work release --all'],
      ],
      load: () => import('./commands/release.js'),
    }),
    results: command({
      path: 'receptorctl work results',
      help: 'Get results for a previously or currently running unit of work.',
      options: {},
      arguments: { unit_id: 'one' },
      examples: [
        [
          'Follow the output of a unit until it ends, and keep it',
          'receptorctl work results FfpQ4zk2 > output',
        ],
        ['See why it failed (exit code 1), if it did', 'receptorctl work list --unit_id FfpQ4zk2'],
      ],
      load: () => import('./commands/results.js'),
    }),
    submit,
  },
);

/** All there is, by the words that select it. */
export const commands: ReadonlyMap<string, Command | Group> = new Map<string, Command | Group>([
  [
    'connect',
    command({
      path: 'receptorctl connect',
      help: 'Connect the local terminal to a Receptor service on a remote node.',
      summary: 'Connect the local terminal to a Receptor service on a...',
      options: {
        raw: flag(['-r', '--raw'], 'Set terminal to raw mode'),
        tlsClient: tlsClientToNode(),
      },
      arguments: { node: 'one', service: 'one' },
      examples: [
        ['Talk to the control service of another node; Ctrl-D ends it', 'receptorctl connect bar control'],
        [
          'Use a shell that bar offers with command-service; every key goes to it',
          'receptorctl connect --raw bar shell',
        ],
      ],
      load: () => import('./commands/connect.js'),
    }),
  ],
  [
    'ping',
    command({
      path: 'receptorctl ping',
      help: 'Ping a Receptor node.',
      options: {
        count: integer(['--count'], 'Number of pings to send', 4),
        delay: float(['--delay'], 'Time to wait between pings', 1),
      },
      arguments: { node: 'one' },
      examples: [
        ['See whether a node answers, and how fast', 'receptorctl ping bar'],
        [
          'Wait for a node in a script; exit code 2 means no answer',
          'until receptorctl ping bar --count 1; do sleep 1; done',
        ],
      ],
      load: () => import('./commands/ping.js'),
    }),
  ],
  [
    'reload',
    command({
      path: 'receptorctl reload',
      help: 'Reload receptor configuration.',
      options: {},
      arguments: {},
      examples: [
        [
          'Use an edited configuration file; exit code 3: something in it needs a restart, 4: it is at fault',
          'receptorctl reload',
        ],
      ],
      load: () => import('./commands/reload.js'),
    }),
  ],
  [
    'status',
    command({
      path: 'receptorctl status',
      help: 'Show the status of the Receptor network.',
      options: { json: flag(['--json'], 'Print as JSON') },
      arguments: {},
      examples: [
        ['See the nodes that can be reached, and the work they do', 'receptorctl status'],
        [
          'List the names of all known nodes',
          'receptorctl status --json | jq -r ".KnownConnectionCosts | keys[]"',
        ],
      ],
      load: () => import('./commands/status.js'),
    }),
  ],
  [
    'traceroute',
    command({
      path: 'receptorctl traceroute',
      help: 'Do a traceroute to a Receptor node.',
      options: {},
      arguments: { node: 'one' },
      examples: [['See the nodes on the way to a node, and where it ends', 'receptorctl traceroute bar']],
      load: () => import('./commands/traceroute.js'),
    }),
  ],
  [
    'version',
    command({
      path: 'receptorctl version',
      help: 'Show version information for receptorctl and the receptor node',
      options: {},
      arguments: {},
      examples: [['Compare the versions of this program and of the node', 'receptorctl version']],
      load: () => import('./commands/version.js'),
    }),
  ],
  ['work', work],
]);
