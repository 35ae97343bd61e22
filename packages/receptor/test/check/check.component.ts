import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkConfiguration } from '../../src/check/check.js';
import { renderFindings } from '../../src/check/report.js';
import { Authority, CertificateFiles } from '../tls/certificate-files.js';

const DAY = 86_400_000;
const files = new CertificateFiles();
let authority: Authority;
beforeAll(async () => {
  authority = await Authority.create();
  files.write('ca.crt', authority.pem);
});
afterAll(() => rmSync(files.directory, { recursive: true }));

const NODE = '- node: {id: foo}\n- local-only\n';
const inPlace = (text: string) => text.replaceAll('DIR', files.directory);

/** What a check says of a file with this text; paths are shortened. */
async function check(text: string, now?: number): Promise<string[]> {
  const file = files.write('c.yml', inPlace(text));
  return renderFindings(file, await checkConfiguration(file, now))
    .replaceAll(`${files.directory}/`, '')
    .trimEnd()
    .split('\n');
}

describe('the check of a configuration', () => {
  it('finds nothing wrong with one that is right, in either form', async () => {
    expect(await check(NODE)).toEqual(['c.yml: no problems in 2 sections']);
    expect(await check('version: 2\nnode: {id: foo}\nlocal-only: {}\n')).toEqual([
      'c.yml: no problems in 2 sections',
    ]);
  });

  it('finds all that is wrong, each with its place and what to do', async () => {
    expect(
      await check(
        `${NODE}- tcp-listner: {port: 1}\n- tcp-listener:\n    prot: 1\n    cost: much\n- tcp-peer: {address: hub}\n` +
          '- log-level: loud\n- work-command: {worktype: a}\n- {a: 1, b: 2}\n- control-service: {tls: nope}\n',
      ),
    ).toEqual([
      'c.yml:3:3: could not get config type for command tcp-listner: unknown config type tcp-listner',
      '    did you mean "tcp-listener"?',
      'c.yml:4:3: error in tcp-listener: required parameter missing: port',
      expect.stringContaining('receptor --help'),
      'c.yml:5:5: field prot not defined for command tcp-listener: unknown field name prot',
      '    did you mean "port"?',
      'c.yml:6:11: error setting field cost in command tcp-listener: strconv.ParseFloat: parsing "much": invalid syntax',
      '    a number is wanted there',
      'c.yml:7:3: address hub: missing port in address',
      expect.stringContaining('HOST:PORT'),
      'c.yml:8:3: loud is not a valid log level name',
      '    the levels are error, warning, info and debug',
      'c.yml:9:3: error in work-command: required parameter missing: command',
      expect.stringContaining('receptor --help'),
      'c.yml:10:10: config format invalid: item has multiple names',
      expect.stringContaining('an item of its own'),
      'c.yml:11:26: unknown TLS config nope',
      expect.stringContaining('name: nope'),
      'c.yml: 9 problems',
    ]);
  });

  it('does not blame one section for the mistakes of another', async () => {
    const server = '- tls-server: {name: srv, cert: a, kye: b}\n';
    const said = await check(`${NODE}${server}- tcp-listener: {port: 0, tls: srv}\n`);
    expect(said.filter((line) => line.startsWith('c.yml:')).map((line) => line.slice(0, 9))).toEqual(
      ['c.yml:3:3', 'c.yml:3:36', 'c.yml: 2 '].map((each) => each.slice(0, 9)),
    );
  });

  it.each([
    ['a: [\n', 'c.yml:2:1: yaml: line 2: '],
    ['5', 'c.yml:1:1: yaml: unmarshal errors:   line 1: cannot unmarshal !!int `5` into []interface {}'],
    ['- node: {id: foo}\n- node: {id: bar}\n- local-only\n', 'c.yml:2:3: only one node directive is allowed'],
    [
      'version: 3\nnode: {id: foo}\nlocal-only: {}\n',
      'c.yml:1:1: version 3 of the configuration is not known',
    ],
    [
      `${NODE}- control-service: {filename: DIR/no/foo.sock}`,
      'c.yml:3:31: error opening Unix socket: could not acquire lock on socket file: no such file or directory',
    ],
    [
      `${NODE}- control-service: {service: a}\n- control-service: {service: a}`,
      'c.yml:4:30: error opening Unix socket: service a is already listening',
    ],
    [
      `${NODE}- work-command: {worktype: a, command: cat}\n- work-kubernetes: {worktype: a, image: i, namespace: n}`,
      'c.yml:4:3: work type a already registered',
    ],
    [`${NODE}- work-verification: {publickey: /no.pem}`, 'c.yml:3:3: /no.pem does not exist'],
    [`${NODE}- work-kubernetes: {worktype: a, authmethod: nosuch}`, 'c.yml:3:3: invalid AuthMethod: nosuch'],
    [
      `${NODE}- work-kubernetes: {worktype: a, authmethod: kubeconfig, kubeconfig: /no, image: i}`,
      'c.yml:3:3: error accessing kubeconfig file: ',
    ],
    ['- node: {id: foo, firewallrules: [{action: accept, fromnode: /(/}]}\n- local-only', 'c.yml:1:3: '],
  ])('finds what is wrong with %j', async (text, problem) => {
    const [first = ''] = await check(text);
    expect(first.slice(0, problem.length)).toBe(problem);
  });

  it('warns of what is passed over, and of a node with nothing to do', async () => {
    expect(await check('node: {id: foo, prot: 1}\ntcp-listner: {port: 1}\n')).toEqual([
      expect.stringMatching(/^c.yml: warning: .*unknown field name prot \(c.yml:1:17\)/),
      expect.stringMatching(
        /^c.yml: warning: unknown key tcp-listner .*did you mean "tcp-listeners"\?; ignored/,
      ),
      'c.yml: warning: Nothing to do - no backends are running.',
      'c.yml: 3 warnings',
    ]);
  });

  it('says of a file that is not there that it is not there', async () => {
    const { problems } = await checkConfiguration('/nosuch.yml');
    expect(problems.map(({ message }) => message)).toEqual(['open /nosuch.yml: no such file or directory']);
  });
});

describe('the check of certificates', () => {
  const server = (cert: string, key = cert, more = '') =>
    `${NODE}- tls-server:\n    name: srv\n    cert: DIR/${cert}.crt\n    key: DIR/${key}.key\n${more}`;

  beforeAll(async () => {
    await files.pair('good', authority, { nodeIds: ['foo'], until: 90 });
    await files.pair('soon', authority, { nodeIds: ['foo'], until: 10 });
    await files.pair('other', authority, { nodeIds: ['bar', 'baz'], until: 90 });
    await files.pair('client', authority, { nodeIds: ['foo'], until: 90, usages: ['client'] });
  });

  it('finds nothing wrong with one that will be accepted', async () => {
    expect(await check(server('good'))).toEqual(['c.yml: no problems in 3 sections']);
  });

  it('finds one that has expired, and warns of one that soon does', async () => {
    expect(await check(server('good'), Date.now() + 91 * DAY)).toEqual([
      expect.stringMatching(
        /^c.yml:5:11: tls-server: the certificate of \S+ in good.crt has expired on \d{4}-/,
      ),
      'c.yml: 1 problem',
    ]);
    expect(await check(server('soon'))).toEqual([
      expect.stringMatching(
        /^c.yml:5:11: warning: tls-server: the certificate of \S+ in soon.crt expires on /,
      ),
      'c.yml: 1 warning',
    ]);
  });

  it('finds one that is not valid yet', async () => {
    expect((await check(server('good'), Date.now() - 300 * DAY))[0]).toMatch(/is not valid before \d{4}-/);
  });

  it('finds one that is for other nodes, unless that is not to be checked', async () => {
    expect((await check(server('other')))[0]).toBe(
      'c.yml:5:11: tls-server: nodeID=foo not found in certificate name(s); names found=[bar baz]; server cert=other.crt',
    );
    expect(await check(server('other', 'other', '    skipreceptornamescheck: true\n'))).toEqual([
      'c.yml: no problems in 3 sections',
    ]);
  });

  it('finds a key of another pair, together with all else', async () => {
    const said = await check(server('other', 'good'));
    expect(said[0]).toMatch(/^c.yml:5:11: tls-server: tls: private key does not match public key/);
    expect(said.join('\n')).toContain('nodeID=foo not found');
    expect(said.at(-1)).toBe('c.yml: 2 problems');
  });

  it('finds one that is for the other side', async () => {
    expect((await check(server('client')))[0]).toBe(
      'c.yml:5:11: tls-server: the certificate in client.crt is not for servers (its extended key usage): whoever connects will not accept it',
    );
    expect(
      await check(
        `${NODE}- tls-client: {name: c, cert: DIR/client.crt, key: DIR/client.key, rootcas: DIR/ca.crt}\n`,
      ),
    ).toEqual(expect.arrayContaining([expect.stringMatching(/c.yml: (no problems|1 warning)/)]));
  });

  it('finds files that are missing or hold something else, and bad fingerprints', async () => {
    files.write('empty.crt', 'nothing');
    const more = '    clientcas: DIR/empty.crt\n    pinnedclientcert: [abc]\n';
    const said = await check(server('nosuch', 'good', more));
    expect(said.filter((line) => line.startsWith('c.yml:'))).toEqual([
      'c.yml:5:11: tls-server: open nosuch.crt: no such file or directory',
      'c.yml:7:16: tls-server: there is no certificate in empty.crt',
      expect.stringMatching(/^c.yml:8:23: tls-server: error decoding fingerprints/),
      'c.yml: 3 problems',
    ]);
  });
});

describe('receptor check', () => {
  const program = new URL('../../bin/receptor.js', import.meta.url).pathname;
  const run = (...args: string[]) => {
    const { status, stdout } = spawnSync(process.execPath, [program, 'check', ...args], {
      cwd: files.directory,
      encoding: 'utf8',
    });
    return { status, stdout };
  };

  it('takes several files; its exit code tells whether any has a problem', () => {
    files.write('right.yml', NODE);
    files.write('wrong.yml', `${NODE}- log-level: loud\n`);
    expect(run('right.yml')).toEqual({ status: 0, stdout: 'right.yml: no problems in 2 sections\n' });
    expect(run('wrong.yml', 'right.yml')).toEqual({
      status: 1,
      stdout:
        'wrong.yml:3:3: loud is not a valid log level name\n    the levels are error, warning, info and debug\n' +
        'wrong.yml: 1 problem\nright.yml: no problems in 2 sections\n',
    });
  });

  it('says how it is used', () => {
    expect(run()).toEqual({ status: 1, stdout: 'Usage: receptor check FILE...\n' });
    expect(run('--help').status).toBe(0);
  });
});
