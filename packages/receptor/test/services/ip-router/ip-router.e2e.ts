import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RECEPTOR_GO, SKIPPED } from '../../../../netceptor/test/go-node.js';
import { Inside, Namespace, NO_NAMESPACES, OURS } from './namespaces.js';

const PATIENT = { timeout: 30_000, interval: 100 };
/** A Go node may tell of its services only a minute after its start, and looks for routes every 10 seconds. */
const PATIENT_WITH_GO = { timeout: 90_000, interval: 100 };

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

let here: Namespace;
let there: Namespace;

/** Two machines with a cable, and networks behind them of which the other knows nothing. */
async function machines(): Promise<void> {
  [here, there] = [await Namespace.make(), await Namespace.make()];
  ends.push(
    () => here.close(),
    () => there.close(),
  );
  here.link(there, '10.99.0.1/24', '10.99.0.2/24');
  here.ip('address', 'add', '192.168.77.1/24', 'dev', 'lo');
  here.ip('address', 'add', 'fd77::1/64', 'dev', 'lo');
  there.ip('address', 'add', '192.168.78.1/24', 'dev', 'lo');
  there.ip('address', 'add', 'fd78::1/64', 'dev', 'lo');
}

async function daemon(...options: Parameters<typeof Inside.daemon>): Promise<Inside> {
  const started = await Inside.daemon(...options);
  ends.push(() => started.end());
  return started;
}

const startHere = (routes = '192.168.77.0/24,fd77::/64', name = 'mesh%d') =>
  daemon(
    here,
    'here',
    '- tcp-listener: {port: 27199}\n' +
      `- ip-router: {networkname: net, interface: ${name}, localnet: 10.42.0.0/30, routes: "${routes}"}\n`,
  );
const startThere = (routes: string, command = OURS) =>
  daemon(
    there,
    'there',
    '- tcp-peer: {address: "10.99.0.1:27199"}\n' +
      `- ip-router: {networkname: net, localnet: 10.42.0.4/30, routes: "${routes}"}\n`,
    command,
  );

/** The networks that are routed over the interface of an IP router. */
const routes = (machine: Namespace, ...family: string[]) =>
  machine
    .ip(...family, 'route')
    .split('\n')
    .filter((line) => /dev (mesh|tun)0/.test(line) && !line.includes('proto kernel'))
    .map((line) => line.split(' ')[0])
    .sort();

/** Has one machine send bytes to the other over TCP, which sends them back. */
async function echo(from: Namespace, to: Namespace, address: string): Promise<void> {
  const server = Inside.node(
    to,
    `import { createServer } from 'node:net';
    createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(9000, ${JSON.stringify(address)}, () => console.log('listening'));`,
  );
  await server.says('listening');
  const client = Inside.node(
    from,
    `import { connect } from 'node:net';
    import { buffer } from 'node:stream/consumers';
    const bytes = Buffer.alloc(1_000_000, 'abcdefg');
    const socket = connect(9000, ${JSON.stringify(address)});
    socket.end(bytes);
    console.log(bytes.equals(await buffer(socket)) ? 'the same' : 'others');`,
  );
  try {
    await client.says('the same');
  } finally {
    await client.end('SIGKILL');
    await server.end('SIGKILL');
  }
}

describe.skipIf(NO_NAMESPACES)(`an IP router${NO_NAMESPACES}`, () => {
  beforeEach(machines);

  it('carries IPv4 and IPv6 both ways to another of ours, with a route for each network', async () => {
    await startHere();
    await startThere('192.168.78.0/24,fd78::/64');
    await vi.waitFor(() => {
      expect(routes(here)).toEqual(['10.42.0.4/30', '192.168.78.0/24']);
      expect(routes(there)).toEqual(['10.42.0.0/30', '192.168.77.0/24']);
      expect(routes(here, '-6')).toEqual(['fd78::/64']);
      expect(routes(there, '-6')).toEqual(['fd77::/64']);
    }, PATIENT);
    for (const address of ['10.42.0.1', '192.168.77.1', 'fd77::1']) await echo(there, here, address);
    for (const address of ['10.42.0.5', '192.168.78.1', 'fd78::1']) await echo(here, there, address);
  });

  it.skipIf(!RECEPTOR_GO)(`carries IPv4 both ways to one of Go${SKIPPED}`, async () => {
    await startHere('192.168.77.0/24');
    await startThere('192.168.78.0/24', [RECEPTOR_GO ?? '']);
    await vi.waitFor(() => {
      expect(routes(here)).toEqual(['10.42.0.4/30', '192.168.78.0/24']);
      expect(routes(there)).toEqual(['10.42.0.0/30', '192.168.77.0/24']);
    }, PATIENT_WITH_GO);
    for (const address of ['10.42.0.1', '192.168.77.1']) await echo(there, here, address);
    for (const address of ['10.42.0.5', '192.168.78.1']) await echo(here, there, address);
  });

  it('removes the routes to a node that ends, its interface with it, and adds them when it is back', async () => {
    await startHere();
    const other = await startThere('192.168.78.0/24');
    const all = ['10.42.0.4/30', '192.168.78.0/24'];
    await vi.waitFor(() => expect(routes(here)).toEqual(all), PATIENT);
    expect(there.ip('link')).toContain('tun0');

    await other.end();
    await vi.waitFor(() => expect(routes(here)).toEqual([]), PATIENT);
    expect(there.ip('link')).not.toContain('tun0');

    const again = await startThere('192.168.78.0/24');
    await vi.waitFor(() => expect(routes(here)).toEqual(all), PATIENT);
    await again.end('SIGKILL');
    await vi.waitFor(() => expect(routes(here)).toEqual([]), PATIENT);
    expect(there.ip('link')).not.toContain('tun0');
  });

  it('uses an interface that somebody made to stay, and leaves nothing on it', async () => {
    here.ip('tuntap', 'add', 'dev', 'mesh0', 'mode', 'tun');
    const one = await startHere('', 'mesh0');
    await startThere('192.168.78.0/24');
    await vi.waitFor(() => expect(routes(here)).toEqual(['10.42.0.4/30', '192.168.78.0/24']), PATIENT);
    await one.end();
    expect(here.ip('link')).toContain('mesh0');
    expect(here.ip('-4', 'address', 'show', 'mesh0')).toBe('');
    expect(here.ip('route')).not.toContain('mesh0');
  });

  it('lets no node have the default route, or what the machine is connected to', async () => {
    const one = await startHere();
    await startThere('0.0.0.0/0,128.0.0.0/1,10.99.0.128/25,192.168.77.1/32,127.0.0.0/8,192.168.78.0/24,::/0');
    await one.says('no route to 0.0.0.0/0: as good as a default route');
    await one.says('no route to 10.99.0.128/25: in a network that this machine is connected to');
    await vi.waitFor(() => expect(routes(here)).toEqual(['10.42.0.4/30', '192.168.78.0/24']), PATIENT);
    expect(routes(here, '-6')).toEqual([]);
    await echo(here, there, '10.42.0.5');
  });

  it('adds a route again that somebody has removed, and ends when its interface is', async () => {
    const one = await startHere();
    await startThere('');
    await vi.waitFor(() => expect(routes(here)).toEqual(['10.42.0.4/30']), PATIENT);
    here.ip('route', 'delete', '10.42.0.4/30');
    expect(routes(here)).toEqual([]);
    await vi.waitFor(() => expect(routes(here)).toEqual(['10.42.0.4/30']), PATIENT);
    here.ip('link', 'delete', 'mesh0');
    await one.says('tun device mesh0: the interface has been removed; IP router net has ended');
    await vi.waitFor(() => expect(routes(there)).toEqual([]), PATIENT);
  });

  it.each<[why: string, name: string, command: typeof OURS, problem: RegExp]>([
    [
      'the name of its interface is taken',
      'cable',
      OURS,
      /error opening tun device cable: .*\n[\s\S]*choose another 'interface'/,
    ],
    [
      'the daemon may not make one',
      '',
      ['setpriv', '--bounding-set=-net_admin', ...OURS],
      /error opening tun device: operation not permitted\n[\s\S]*needs root, or CAP_NET_ADMIN/,
    ],
    [
      'the system has no tun devices',
      '',
      ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /dev/net && exec "$0" "$@"', ...OURS],
      /error opening tun device: open \/dev\/net\/tun: no such file or directory\n[\s\S]*modprobe tun/,
    ],
  ])('ends the start of the daemon, with a next step, when %s', async (_, name, command, problem) => {
    const router = `- ip-router: {networkname: net, interface: "${name}", localnet: 10.42.0.0/30}\n`;
    await expect(daemon(here, 'here', `- local-only\n${router}`, command)).rejects.toThrow(problem);
  });
});
