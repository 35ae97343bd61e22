import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GoRun, runs } from '../go-runs.js';

type Case = Pick<GoRun, 'args' | 'files'>;

const LOCAL = ['--node', 'id=foo', '--local-only'];
const LISTENER = ['--node', 'id=foo', '--tcp-listener', 'port=0'];
const file = (text: string): Case => ({ args: ['-c', 'c.yml'], files: { 'c.yml': text } });
const inFile = (text: string): Case => file(`- node: {id: foo}\n- local-only\n${text}\n`);

/** What the recorded runs leave out. */
const MORE: readonly Case[] = [
  ...[
    ['-h'],
    ['--HELP'],
    ['--node', '--help'],
    ['--bogus', '--help'],
    ['x', '--version'],
    ['---node'],
    ['-'],
    ['--'],
    ['--config'],
    ['--config', ''],
    ['-c', '.'],
    ['-c', 'c.yml/x'],
    [...LOCAL, '='],
    [...LOCAL, '--log-level', ''],
    [...LOCAL, '--log-level', 'level='],
    [...LOCAL, '--LOG-LEVEL', 'LEVEL=Error'],
    [...LOCAL, '--log-level', 'info', 'debug'],
    [...LOCAL, '--local-only'],
    [...LOCAL, '--work-command'],
    [...LOCAL, '--work-command', 'cat'],
    [...LISTENER, 'port=1'],
    [...LISTENER, 'port='],
    [...LISTENER, 'port=99999'],
    [...LISTENER, 'port=-1'],
    [...LISTENER, 'port=9223372036854775808'],
    [...LISTENER, 'port=0b1x'],
    [...LISTENER, 'port=1_0'],
    [...LISTENER, 'cost='],
    [...LISTENER, 'cost=0'],
    [...LISTENER, 'cost=nan'],
    [...LISTENER, 'cost=1e400'],
    [...LISTENER, 'cost=-inf'],
    [...LISTENER, 'port=+0'],
    [...LISTENER, 'cost=a"b'],
    [...LISTENER, 'nodecost='],
    [...LISTENER, 'nodecost={'],
    [...LISTENER, 'nodecost={a'],
    [...LISTENER, 'nodecost={"a":}'],
    [...LISTENER, 'nodecost={"a":"x"}'],
    [...LISTENER, 'nodecost=abc'],
    [...LISTENER, 'allowedpeers=["a"'],
    [...LISTENER, 'allowedpeers=[a]'],
    [...LISTENER, 'allowedpeers={"a":1}'],
    [...LISTENER, 'tls=nope'],
    ['--node', 'id=foo', '--tcp-peer', 'host:1:2'],
    ['--node', 'id=foo', '--tcp-peer', '[::1'],
    ['--node', 'id=foo', '--tcp-peer', '[::1]'],
    ['--node', 'id=foo', '--tcp-peer', 'localhost:1', 'tls=nope'],
    ['--node', 'id=foo', '--tcp-peer', 'localhost:1', 'redial=Ja'],
    ['--node', 'id=foo', 'firewallrules=[{"action":"accept"}]', '--local-only'],
    [...LOCAL, '--control-service', 'service=', 'filename='],
    [...LOCAL, '--control-service', 'tls=nope'],
    [...LOCAL, '--control-service', 'tcptls=nope'],
    [...LOCAL, '--control-service', 'tcplisten=0', 'tcptls=nope'],
    [...LOCAL, '--control-service', 'tcplisten=localhost:x'],
    [...LOCAL, '--control-service', 'filename=a.sock', 'permissions=abc'],
    [...LOCAL, '--tls-client', 'name=a', 'cert=', 'key=b'],
    [...LOCAL, '--cert-makereq', 'commonname=a', 'outreq=b'],
  ].map((args) => ({ args, files: null })),
  { args: ['-c', 'c.yml', '--node', 'id=bar'], files: { 'c.yml': '- node: foo\n- local-only\n' } },
  { args: ['--node', 'id=bar', '-c', 'c.yml'], files: { 'c.yml': '- node: foo\n- local-only\n' } },
  { args: ['-c', 'c.yml', '-c', 'd.yml'], files: { 'c.yml': '- node: foo\n', 'd.yml': '- local-only\n' } },
  file('- node: foo\n- local-only\n---\n- bogus\n'),
  file('# nothing\n'),
  ...[
    'node: {id: foo}\nlocal-only: {local: true}\n',
    'version: 2\nnode:\n  id: foo\ntcp-listeners:\n  - port: 0\n',
    'node: {id: foo}\ntcp-peers: {address: "localhost:1"}\nunknown: x\n',
    'NODE: {ID: foo}\nLocal-Only: {LOCAL: true}\nlog-level: {level: debug}\n',
    'node: {id: foo}\nlocal-only: {local: true}\nwork-commands: [{workType: a, command: b}]\n',
    'node: {id: foo}\nlocal-only: {local: true}\ntls-clients: [{name: a}]\n',
  ].map((text) => ({ args: ['--config-v2', '--config', 'c.yml'], files: { 'c.yml': text } })),
  file('foo'),
  file('5'),
  file('{}'),
  file('[]'),
  file('- \n- local-only'),
  file('- {}\n'),
  file('- [local-only]\n'),
  file('- "local-only"\n- node: foo\n'),
  file('- &a local-only\n- node: {id: foo}\n- *a\n'),
  file('- node: &n {id: foo}\n- local-only\n- log-level: {<<: {level: debug}}\n'),
  inFile('- log-level: yes'),
  inFile('- log-level: {level: [debug]}'),
  inFile('- log-level: {LEVEL: debug}'),
  inFile('- tcp-listener: {port: 0o17}'),
  inFile('- tcp-listener: {port: 017}'),
  inFile('- tcp-listener: {port: "017"}'),
  inFile('- tcp-listener: {port: yes}'),
  inFile('- tcp-listener: {port: 0, cost: "1.5"}'),
  inFile('- tcp-listener: {port: 0, cost: abc}'),
  inFile('- tcp-listener: {port: 0, cost: yes}'),
  inFile('- tcp-listener: {port: 0, nodecost: {a: 1, b: 2.5}}'),
  inFile('- tcp-listener: {port: 0, nodecost: {a: x}}'),
  inFile('- tcp-listener: {port: 0, nodecost: [a]}'),
  inFile('- tcp-listener: {port: 0, allowedpeers: a}'),
  inFile('- tcp-listener: {port: 0, allowedpeers: [a, b]}'),
  inFile('- tcp-listener: {port: 0, allowedpeers: {a: b}}'),
  inFile('- tcp-listener: {port: 0, allowedpeers: }'),
  inFile('- control-service: {filename: a.sock, tls: nope}'),
  inFile('- control-service: {filename: a.sock, permissions: 0o600}'),
  inFile('- work-command: {worktype: a, command: b, allowruntimeparams: on}'),
  inFile('- work-command: {worktype: a, command: b, allowruntimeparams: "on"}'),
  inFile('- work-command: {worktype: a, command: b, allowruntimeparams: 1}'),
  inFile('- work-command: {worktype: a, command: b, params: 5}'),
  inFile('- work-command: {worktype: a, command: b, params: null}'),
  inFile('- work-command: [a, b]'),
  inFile('- work-command: x'),
  inFile('- ? [a]\n  : b'),
];

/** Where we are stricter than the Go daemon, or say more, and why. */
const DIFFERENT: Readonly<Record<string, string>> = {
  // Go takes a cost that is no number.
  '--node id=foo --tcp-listener port=0 cost=nan': 'Error: connection cost must be positive',
  // Go runs two nodes in one here, and refuses it the other way round.
  '--node id=bar -c c.yml "- node: foo\\n- local-only\\n"':
    'Error: error loading config file: only one node directive is allowed',
  // Go wants TLS settings of a name that it does not have.
  '-c c.yml "- node:\\n    id: foo\\n- ws-peer:\\n    address: wss://localhost:38270\\n"': '',
  // Go crashes where tokenexpiration is left out.
  '-c c.yml "- node:\\n    id: foo\\n- local-only\\n- work-signing:\\n    privatekey: c.yml\\n"': '',
  // Go cannot read its own notation of rules on the command line.
  '--node id=foo firewallrules=[{"action":"accept"}] --local-only': '',
  '-c c.yml "- node: {id: foo}\\n- local-only\\n- ? [a]\\n  : b\\n"':
    'Error: error loading config file: yaml: invalid map key: ["a"] (c.yml:3:5)',
};

const title = ({ args, files }: Case): string =>
  [
    args.join(' ') || '(no arguments)',
    ...Object.values(files ?? {}).map((text) => JSON.stringify(text)),
  ].join(' ');

/** Go lists what is missing in any order. */
const inOrder = (text: string): string =>
  text.replace(/(?<=missing: )[a-z, ]+/, (names) => names.split(', ').sort().join(', '));

interface Outcome {
  readonly exit: number | 'runs';
  /** What it says is wrong, or whatever else it says before it ends. */
  readonly says: string;
}

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'receptor-go-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** How often it is looked whether a daemon sleeps, and how often in a row it has to, until it counts as one that runs. */
const LOOK_MS = 250;
const LOOKS = 8;

/** Whether all threads of a process wait for something: one that the machine has no time for does not. */
function sleeps(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  try {
    return readdirSync(tasks).every((task) =>
      // The name before it may have anything in it, parentheses too.
      /^.*\) S /s.test(readFileSync(join(tasks, task, 'stat'), 'utf8')),
    );
  } catch {
    // Gone meanwhile, or a system without /proc.
    return !existsSync('/proc/self');
  }
}

/** What another daemon on this machine can have, for a while: recorded ports, and the default data directory. */
const TAKEN = /is in use by another daemon|address already in use/;

/** Runs a daemon until it ends, or runs; again where another one was in its way. */
async function outcome(command: readonly string[], each: Case): Promise<Outcome> {
  for (let tries = 1; ; tries++) {
    const found = await runOnce(command, each);
    if (tries === 20 || !TAKEN.test(found.says)) return found;
    await sleep(1000);
  }
}

function runOnce(command: readonly string[], { args, files }: Case): Promise<Outcome> {
  const place = mkdtempSync(join(directory, 'run-'));
  for (const [name, text] of Object.entries(files ?? {})) writeFileSync(join(place, name), text);
  const [program = '', ...first] = command;
  const child = spawn(program, [...first, ...args], {
    cwd: place,
    env: { ...process.env, TMPDIR: place, HOME: place },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  let runs = false;
  return new Promise((resolve, reject) => {
    const stop = () => {
      runs = true;
      child.kill('SIGKILL');
    };
    let asleep = 0;
    // With a low log level a daemon that runs says nothing.
    const looking = setInterval(() => {
      asleep = child.pid !== undefined && sleeps(child.pid) ? asleep + 1 : 0;
      if (asleep === LOOKS) stop();
    }, LOOK_MS);
    child.stdout.on('data', (chunk) => {
      said += chunk;
      if (said.includes('Initialization complete')) stop();
    });
    child.once('error', reject);
    child.once('close', (code) => {
      clearInterval(looking);
      const says = (/^Error: [\s\S]*/m.exec(said)?.[0] ?? said).replace(/^Hint: .*\n/m, '').trimEnd();
      resolve(runs ? { exit: 'runs', says: '' } : { exit: code ?? -1, says });
    });
  });
}

const ours = [process.execPath, new URL('../../bin/receptor.js', import.meta.url).pathname];
const go = process.env.RECEPTOR_GO;

describe.skipIf(go === undefined)(
  'the same configuration, given to the Go daemon that RECEPTOR_GO names',
  () => {
    // A datadir of its own would be another argument: the default one is used, and nothing is in it.
    for (const each of [...runs, ...MORE]) {
      it(title(each), async () => {
        const [theirs, own] = [await outcome([go ?? ''], each), await outcome(ours, each)];
        const text = DIFFERENT[title(each)];
        if (text !== undefined) {
          expect(own.says).toBe(text);
          return;
        }
        if (/^Error: the section '[a-z-]+' is not implemented yet/.test(own.says)) return;
        // The map form, which Go reads after --config-v2 only.
        if (theirs.says.includes('cannot unmarshal !!map into []interface {}')) {
          expect(own.says).not.toContain('unmarshal');
          return;
        }
        // Go has given up running Python plugins; ours runs them.
        if (theirs.says.includes("'work-python' option is not currently being used")) {
          expect(own.exit).toBe('runs');
          return;
        }
        // A crash is no behaviour to keep: ours says what is wrong, or there was nothing wrong.
        if (theirs.exit === 2) expect([1, 'runs']).toContain(own.exit);
        else expect(own.exit).toBe(theirs.exit);
        if (theirs.exit === 1 && theirs.says.startsWith('Error: '))
          expect(inOrder(own.says).slice(0, theirs.says.length)).toBe(inOrder(theirs.says));
      });
    }
  },
);
