import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GoMesh, startGoMesh } from './go-mesh.js';

const go = process.env.RECEPTOR_GO;
const python = process.env.RECEPTORCTL_PYTHON;
const ours = fileURLToPath(new URL('../bin/receptorctl.js', import.meta.url));

if (!go || !python) {
  console.warn('skipped: RECEPTOR_GO and RECEPTORCTL_PYTHON name the programs to compare with');
}

interface Outcome {
  exit: number | null;
  stdout: string;
  stderr: string;
}

async function runProgram(
  program: string,
  args: readonly string[],
  cwd: string,
  stdin = '',
): Promise<Outcome> {
  const child = spawn(program, args, { cwd, env: { PATH: process.env.PATH ?? '', HOME: cwd } });
  child.stdin.on('error', () => {});
  child.stdin.end(stdin);
  const [stdout, stderr] = await Promise.all([
    buffer(child.stdout),
    buffer(child.stderr),
    once(child, 'close'),
  ]);
  return { exit: child.exitCode, stdout: stdout.toString('latin1'), stderr: stderr.toString('latin1') };
}

/** Leaves out what differs from one run to the next: times, unit IDs and the client's own version. */
function stable({ exit, stdout, stderr }: Outcome): Outcome {
  const strip = (text: string) =>
    text
      .replace(/\b\d+(\.\d+)?(ns|Â?µs|ms|s)\b/g, 'DURATION')
      .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?/g, 'TIME')
      .replace(/(Unit ID: |\()[A-Za-z0-9]{8}\b/g, '$1UNITID')
      .replace(/^ {4}"[A-Za-z0-9]{8}": \{$/gm, '    "UNITID": {')
      .replace(/("RemoteUnitID": )"[A-Za-z0-9]{8}"/g, '$1"UNITID"')
      .replace(/^receptorctl {2}.*$/m, 'receptorctl VERSION');
  return { exit, stdout: strip(stdout), stderr: strip(stderr) };
}

describe.skipIf(!go || !python)('receptorctl beside the Python one, against a Go daemon', () => {
  let mesh: GoMesh;
  const theirs = python ?? '';

  beforeAll(async () => {
    mesh = await startGoMesh(go ?? '', async ({ directory, socket }) => {
      const { stdout } = await runProgram(theirs, ['--socket', socket, 'status'], directory);
      return /^bar {10}bar$/m.test(stdout);
    });
    const large = Array.from({ length: 20_000 }, (_, index) => `line ${index}`).join('\n');
    await writeFile(join(mesh.directory, 'large'), large);
    await writeFile(join(mesh.directory, 'pf'), 'from file x\n');
  });
  afterAll(() => mesh?.[Symbol.asyncDispose]());

  async function both(args: readonly string[], stdin?: string): Promise<{ ours: Outcome; theirs: Outcome }> {
    const line = args.map((word) => word.replace('TCP', mesh.tcp).replace('TLS', mesh.tls));
    return {
      theirs: stable(await runProgram(theirs, line, mesh.directory, stdin)),
      ours: stable(await runProgram(ours, line, mesh.directory, stdin)),
    };
  }

  it.each<[string, string?]>([
    ['foo.sock version'],
    ['unix:foo.sock version'],
    ['unix://foo.sock version'],
    ['TCP version'],
    ['TLS version'],
    ['TLS --rootcas ca.crt version'],
    ['TLS -c foo.yml --tls-client cli version'],
    ['TLS -c foo.yml --tls-client nosuch version'],
    ['TLS -c foo.yml version'],
    ['TLS -c nosuch.yml --tls-client cli version'],
    ['TLS --rootcas ca.crt --insecureskipverify true version'],
    ['TLS --insecureskipverify true version'],
    ['foo.sock -c foo.yml --tls-client cli --rootcas ca.crt version'],
    ['tcp://127.0.0.1:1 version'],
    ['nosuch.sock version'],
    ['foo:bar version'],
    ['http://x version'],
    ['foo.sock'],
    ['foo.sock nosuch'],
    ['foo.sock ping bar --count 2 --delay 0'],
    ['foo.sock ping nosuch --count 1'],
    ['foo.sock ping bar --count 0'],
    ['foo.sock ping bar --delay -1 --count 2'],
    ['foo.sock traceroute bar'],
    ['foo.sock traceroute nosuch'],
    ['foo.sock traceroute localhost'],
    ['foo.sock connect nosuch control'],
    ['foo.sock connect bar control', 'status\n'],
    ['foo.sock work submit cat'],
    ['foo.sock work submit cat -n -l x'],
    ['foo.sock work submit cat -p nosuchfile'],
    ['foo.sock work submit cat -p .'],
    ['foo.sock work submit nosuch -n'],
    ['foo.sock work submit cat -l hello'],
    ['foo.sock work submit cat -l hello -f'],
    ['foo.sock work submit cat -l hello -f --rm'],
    ['foo.sock work submit cat -l hi --rm'],
    ['foo.sock work submit cat -p - -f', 'from stdin\nx'],
    ['foo.sock work submit cat -p large -f --rm'],
    ['TCP work submit cat -p large -f'],
    ['TLS --rootcas ca.crt work submit cat -p large -f'],
    ['foo.sock work submit fail -n -f'],
    ['foo.sock work submit fail -n -f --rm'],
    ['foo.sock work submit nocmd -n -f'],
    ['foo.sock work submit args -n -f p1 p2'],
    ['foo.sock work submit -n -f args -- -a -b'],
    ['foo.sock work submit args -n -f -a params=@pf'],
    ['foo.sock work submit args -n -f -a params=@@pf'],
    ['foo.sock work submit args -n -f -a params=a -a params=b c'],
    ['foo.sock work submit args -n -a params=@nosuchfile'],
    ['foo.sock work submit args -n -a noequals'],
    ['foo.sock work submit args -n -a node=x'],
    ['foo.sock work submit args -n -a =x'],
    ['foo.sock work submit args -n -a params=@'],
    ['foo.sock work submit cat -n -a params=x'],
    ['foo.sock work submit upper --node bar -l abc -f'],
    ['foo.sock work submit cat -n --node bar -a secret_x=1'],
    ['foo.sock work submit cat -n --node bar --tls-client nope'],
    ['foo.sock work submit cat -n --node bar --ttl xx'],
    ['foo.sock work submit cat -n --ttl 10s'],
    ['foo.sock work submit cat -n --node nosuchnode --ttl 3s'],
    ['foo.sock work submit cat -n --signwork --node bar'],
    ['foo.sock work results nosuchid'],
    ['foo.sock work list --unit_id nosuch'],
    ['foo.sock work list --node nosuch'],
    ['foo.sock work cancel'],
    ['foo.sock work cancel nosuch'],
    ['foo.sock work release'],
    ['foo.sock work release a b'],
    ['foo.sock work submit cat -fl x --rm'],
    ['foo.sock work submit args -n -a tlsclient=x'],
    ['foo.sock work submit args -n -a ttl=10s'],
    ['foo.sock work submit args -n -a signature=x'],
    ['foo.sock --insecureskipverify maybe version'],
    ['tcp://nosuchhost.invalid:1 version'],
    ['tls://127.0.0.1:1 version'],
    ['foo.sock -- version'],
  ])('`--socket %s` prints the same and exits the same', async (line, stdin) => {
    const outcome = await both(['--socket', ...line.split(' ')], stdin);
    expect(outcome.ours).toEqual(outcome.theirs);
  });

  // The Go daemon at times still holds its port when it binds it again.
  it('`reload` prints the same and exits the same', { retry: 4 }, async () => {
    const outcome = await both(['--socket', 'foo.sock', 'reload']);
    expect(outcome.ours).toEqual(outcome.theirs);
  });

  it('reports a mistake in the same words, without troubling the daemon first', async () => {
    const mistakes = [
      'foo.sock status --bogus',
      'TCP reload extra',
      'foo.sock work submit cat -p',
      'foo.sock work submit cat -n --fol',
      'foo.sock work list --uni x',
      'foo.sock ping bar --count abc',
    ];
    for (const line of mistakes) {
      const { theirs, ours } = await both(['--socket', ...line.split(' ')]);
      expect(ours).toEqual({ ...theirs, stderr: theirs.stderr.replace(/^Warning: .*\n/, '') });
    }
  });

  it('lists, reads, cancels and releases the same units in the same words', async () => {
    const submitted = await runProgram(
      ours,
      ['--socket', 'foo.sock', 'work', 'submit', 'echoint', '-n'],
      mesh.directory,
    );
    const id = /Unit ID: (\w+)/.exec(submitted.stdout)?.[1] ?? '';
    for (const line of [`results ${id}`, `list --unit_id ${id}`, 'list', 'list -q', 'list --node bar']) {
      const outcome = await both(['--socket', 'foo.sock', 'work', ...line.split(' ')]);
      expect(outcome.ours).toEqual(outcome.theirs);
      expect(outcome.ours.exit).toBe(0);
    }
    const endings = await Promise.all(
      [theirs, ours].map(async (program) => {
        const run = (...args: string[]) =>
          runProgram(program, ['--socket', 'foo.sock', 'work', ...args], mesh.directory);
        const { stdout } = await run('submit', 'sleeper', '-n');
        const sleeper = /Unit ID: (\w+)/.exec(stdout)?.[1] ?? '';
        return [
          await run('cancel', sleeper),
          await run('list', '--unit_id', sleeper),
          await run('release', '--force', sleeper),
        ].map(stable);
      }),
    );
    expect(endings[1]).toEqual(endings[0]);
  });

  it('shows a status for people the same', async () => {
    // The advertisements of another node may arrive, and change places, between two runs.
    const seen = new Map<string, Set<string>>();
    await expect
      .poll(
        async () => {
          const outcome = await both(['--socket', 'foo.sock', 'status']);
          for (const [who, what] of Object.entries(outcome)) {
            seen.set(who, (seen.get(who) ?? new Set()).add(JSON.stringify(what)));
          }
          return [...(seen.get('ours') ?? [])].some((text) => seen.get('theirs')?.has(text));
        },
        { timeout: 20_000 },
      )
      .toBe(true);
  });

  it('shows a status as JSON the same', async () => {
    const [theirReply, ourReply] = await Promise.all(
      [theirs, ours].map(async (program) => {
        const outcome = await runProgram(
          program,
          ['--socket', 'foo.sock', 'status', '--json'],
          mesh.directory,
        );
        const reply = JSON.parse(outcome.stdout);
        // The Go daemon lists advertisements in no particular order.
        reply.Advertisements.sort(
          (a: { NodeID: string; Service: string }, b: { NodeID: string; Service: string }) =>
            `${a.NodeID} ${a.Service}` < `${b.NodeID} ${b.Service}` ? -1 : 1,
        );
        return stable({ ...outcome, stdout: JSON.stringify(reply) });
      }),
    );
    expect(ourReply).toEqual(theirReply);
  });

  it('ends as quietly when the reader of its output goes away', async () => {
    for (const program of [theirs, ours]) {
      const child = spawn(
        'sh',
        ['-c', '"$0" --socket foo.sock work submit cat -p large -f | head -n 2', program],
        { cwd: mesh.directory },
      );
      const [stdout, stderr] = await Promise.all([
        buffer(child.stdout),
        buffer(child.stderr),
        once(child, 'close'),
      ]);
      expect(stdout.toString()).toBe('line 0\nline 1\n');
      if (program === ours) expect(stderr.toString()).not.toContain('ERROR');
    }
  });
});
