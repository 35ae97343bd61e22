import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../../test/free-port.js';

/** Two Go daemons, `foo` and `bar`, connected over loopback. */
export interface GoMesh extends AsyncDisposable {
  /** Where everything is: sockets, data, files for payloads and parameters. */
  readonly directory: string;
  readonly socket: string;
  readonly tcp: string;
  readonly tls: string;
}

const command = (worktype: string, program: string, params = '', more = '') => `
- work-command:
    worktype: ${worktype}
    command: ${program}
    params: ${JSON.stringify(params)}
${more}`;

function fooConfig(directory: string, ports: { mesh: number; tcp: number; tls: number }): string {
  return `
- node:
    id: foo
    datadir: ${directory}/foo
- log-level:
    level: Error
- tls-server:
    name: srv
    cert: ${directory}/host.crt
    key: ${directory}/host.key
- tls-client:
    name: cli
    rootcas: ${directory}/ca.crt
    cert: ${directory}/host.crt
    key: ${directory}/host.key
- tcp-listener:
    port: ${ports.mesh}
    bindaddr: 127.0.0.1
- control-service:
    service: control
    filename: ${directory}/foo.sock
    tcplisten: 127.0.0.1:${ports.tcp}
- control-service:
    service: ctltls
    tcplisten: 127.0.0.1:${ports.tls}
    tcptls: srv
${command('cat', 'cat')}
${command('fail', 'sh', "-c 'echo out; echo err >&2; exit 7'")}
${command('nocmd', '/nonexistent/cmd')}
${command('echoint', 'sh', "-c 'for i in 1 2 3; do echo $i; sleep 0.3; done'")}
${command('args', 'printf', "'%s\\n' base", '    allowruntimeparams: true')}
${command('sleeper', 'sleep', '600')}
`;
}

function barConfig(directory: string, mesh: number): string {
  return `
- node:
    id: bar
    datadir: ${directory}/bar
- log-level:
    level: Error
- tcp-peer:
    address: 127.0.0.1:${mesh}
- control-service:
    service: control
${command('upper', 'tr', 'a-z A-Z')}
`;
}

function makeCertificates(go: string, directory: string): void {
  const file = (name: string) => join(directory, name);
  for (const args of [
    ['--cert-init', 'commonname=ca', 'bits=2048', `outcert=${file('ca.crt')}`, `outkey=${file('ca.key')}`],
    [
      '--cert-makereq',
      'bits=2048',
      'commonname=localhost',
      'dnsname=localhost',
      'nodeid=foo',
      `outreq=${file('host.csr')}`,
      `outkey=${file('host.key')}`,
    ],
    [
      '--cert-signreq',
      `req=${file('host.csr')}`,
      `cacert=${file('ca.crt')}`,
      `cakey=${file('ca.key')}`,
      `outcert=${file('host.crt')}`,
      'verify=yes',
    ],
  ]) {
    const { status, stderr } = spawnSync(go, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${args[0]}: ${stderr}`);
  }
}

/** Starts the mesh with the daemon at `go`, and waits until each node knows the other's work types. */
export async function startGoMesh(go: string, isReady: (mesh: GoMesh) => Promise<boolean>): Promise<GoMesh> {
  const directory = await mkdtemp(join(tmpdir(), 'receptorctl-mesh-'));
  const ports = { mesh: await freePort(), tcp: await freePort(), tls: await freePort() };
  makeCertificates(go, directory);
  await writeFile(join(directory, 'foo.yml'), fooConfig(directory, ports));
  await writeFile(join(directory, 'bar.yml'), barConfig(directory, ports.mesh));
  const daemons: ChildProcess[] = [];
  const mesh: GoMesh = {
    directory,
    socket: join(directory, 'foo.sock'),
    tcp: `tcp://127.0.0.1:${ports.tcp}`,
    tls: `tls://localhost:${ports.tls}`,
    async [Symbol.asyncDispose]() {
      for (const daemon of daemons) {
        if (daemon.exitCode !== null || daemon.signalCode !== null) continue;
        daemon.kill('SIGTERM');
        await once(daemon, 'exit');
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
  for (const node of ['foo', 'bar']) {
    daemons.push(spawn(go, ['-c', `${node}.yml`], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] }));
  }
  let said = '';
  for (const { stdout, stderr } of daemons) {
    for (const stream of [stdout, stderr]) stream?.on('data', (chunk) => (said += chunk));
  }
  const deadline = Date.now() + 30_000;
  while (!(await isReady(mesh))) {
    if (Date.now() > deadline) {
      await mesh[Symbol.asyncDispose]();
      throw new Error(`the Go daemons did not find each other: ${said}`);
    }
    await sleep(200);
  }
  return mesh;
}
