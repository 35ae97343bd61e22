import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseArguments } from '../../src/config/arguments.js';
import { checkItems } from '../../src/config/item.js';
import { type GoRun, runs } from '../go-runs.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'receptor-config-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** What we do with the arguments and files of a run, as far as no socket or file of the node is concerned. */
async function outcome(run: GoRun): Promise<string> {
  for (const [name, text] of Object.entries(run.files ?? {})) await writeFile(join(directory, name), text);
  const args = run.args.map((arg) => (arg.endsWith('.yml') ? join(directory, arg) : arg));
  try {
    const request = await parseArguments(args);
    if (request.ask !== 'run') return request.ask;
    checkItems(request.items);
    return 'runs';
  } catch (error) {
    return `Error: ${(error as Error).message.replaceAll(`${directory}/`, '')}\n`;
  }
}

const title = (run: GoRun): string =>
  [
    run.args.join(' ') || '(no arguments)',
    ...Object.values(run.files ?? {}).map((text) => JSON.stringify(text)),
  ].join(' ');

/** Found out when a section is put in force, not by reading the configuration. */
const AT_RUN_TIME = [
  'pinned fingerprints missing for default',
  'could not acquire lock on socket file',
  'error listening on TCP socket',
  'is already listening',
  'already registered',
  'does not exist\n',
  'error preparing tls server config: open nope',
  'error accessing kubeconfig file',
  // Of work-kubernetes: checked by the work type itself, when it is registered.
  'invalid AuthMethod',
  'must provide namespace',
  'can only provide',
  'must specify a container image',
  'stream mode must be',
];
const isAtRunTime = (run: GoRun): boolean => AT_RUN_TIME.some((text) => run.stdout.includes(text));
/** What Go says is wrong; lines of its log may come before. */
const refusal = (run: GoRun): string | undefined => /^Error: [\s\S]*/m.exec(run.stdout)?.[0].trimEnd();
/** Go reads the map form after another option only. */
const isMapForm = (run: GoRun): boolean => run.stdout.includes('cannot unmarshal !!map into []interface {}');
/** Go knows the section, and refuses it whatever it says; ours runs it. */
const isPython = (run: GoRun): boolean =>
  run.stdout.includes("'work-python' option is not currently being used");
const isRefusedByConfiguration = (run: GoRun): boolean =>
  run.exit === 1 && refusal(run) !== undefined && !isAtRunTime(run) && !isMapForm(run) && !isPython(run);

describe('what the Go daemon refuses', () => {
  for (const run of runs.filter(isRefusedByConfiguration)) {
    it(title(run), async () => {
      const ours = await outcome(run);
      const begin = refusal(run) ?? '';
      expect(ours.slice(0, begin.length)).toBe(begin);
      // Nothing but the place, a hint, or a next step may follow.
      expect(ours.slice(begin.length)).toMatch(
        /^( \(c2?\.yml:\d+:\d+\)| \(m\.yml:\d+:\d+\))?(, did you mean "[a-z-]+"\?)?\n$/,
      );
    });
  }
});

describe('what the Go daemon runs with, or would, had it been told that this is the map form', () => {
  for (const run of runs.filter((run) => run.exit === 'still running' || isMapForm(run) || isPython(run))) {
    it(title(run), async () => {
      // A section without an implementation was read and checked before it is refused.
      expect(await outcome(run)).toMatch(/^(runs|Error: the section '[a-z-]+' is not implemented yet.*\n)$/);
    });
  }
});

describe('what the Go daemon answers at once', () => {
  for (const run of runs.filter(({ exit }) => exit === 0)) {
    it(title(run), async () => {
      // What help says has a test of its own.
      const expected =
        run.stdout === '1.5.0\n' ? 'version' : run.stdout.startsWith('Usage: ') ? 'help' : run.stdout;
      expect(await outcome(run)).toBe(expected);
    });
  }
});

it('covers every run but those that end at run time, in a crash, or for want of something to do', () => {
  const covered = runs.filter(
    (run) =>
      isRefusedByConfiguration(run) ||
      run.exit === 'still running' ||
      run.exit === 0 ||
      isMapForm(run) ||
      isPython(run),
  );
  const others = runs.filter((run) => !covered.includes(run));
  expect(
    others
      .filter((run) => !isAtRunTime(run) && run.exit !== 2)
      .map(({ stdout }) => stdout.split('\n').at(-2)),
  ).toEqual(Array.from({ length: 5 }, () => 'Run receptor --help for command line instructions.'));
});
