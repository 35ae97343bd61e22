import { MemoryNetwork, Netceptor, PacketConnection } from '@receptor/netceptor';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseNetwork } from '../../../src/ip-network.js';
import { ipRouter } from '../../../src/services/ip-router/index.js';
import { routerTags } from '../../../src/services/ip-router/routes.js';
import type { Tun, TunSettings } from '../../../src/services/ip-router/tun.js';
import { ipPacket } from './packets.js';

const network = (text: string) => {
  const found = parseNetwork(text);
  if (!found) throw new Error(`${text} is no network`);
  return found;
};
const address = (text: string) => network(`${text}/32`).base;
const packet = (source: string, destination: string) =>
  ipPacket(address(source), address(destination), Buffer.from('hello'));

/** A machine that tells what it was given. */
class Machine implements Tun {
  readonly name = 'tun0';
  readonly settings: TunSettings;
  readonly received: Buffer[] = [];
  readonly routes = new Set<string>();
  /** Sends a packet over the interface; whether it may send more. */
  send: (packet: Buffer) => boolean = () => false;
  fail: (error: Error) => void = () => {};
  resumed = 0;
  closed = 0;

  constructor(settings: TunSettings) {
    this.settings = settings;
  }

  start(receive: (packet: Buffer) => boolean, failed: (error: Error) => void): void {
    this.send = receive;
    this.fail = failed;
  }
  resume(): void {
    this.resumed++;
  }
  write(packet: Buffer): void {
    this.received.push(packet);
  }
  addRoute({ base, bits }: ReturnType<typeof network>): void {
    this.routes.add(`${base}/${bits}`);
  }
  removeRoute({ base, bits }: ReturnType<typeof network>): void {
    this.routes.delete(`${base}/${bits}`);
  }
  close(): void {
    this.closed++;
  }
}

const route = (text: string) => `${network(text).base}/${network(text).bits}`;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const end of ends.splice(0).reverse()) await end();
});

let here: Netceptor;
let there: Netceptor;
const logged: string[] = [];
const log = {
  error: (text: string) => void logged.push(`ERROR ${text}`),
  warning: (text: string) => void logged.push(`WARNING ${text}`),
  info: () => {},
  debug: (text: string) => void logged.push(`DEBUG ${text}`),
};

beforeEach(async () => {
  logged.length = 0;
  const mesh = new MemoryNetwork();
  [here, there] = [new Netceptor({ id: 'here' }), new Netceptor({ id: 'there' })];
  ends.push(
    () => here.close(),
    () => there.close(),
  );
  await there.addBackend(mesh.listener('there'));
  await here.addBackend(mesh.dialler('here', 'there'));
  await vi.waitFor(() => expect(here.routes.has('there') && there.routes.has('here')).toBe(true), 20_000);
});

async function startRouter(): Promise<Machine> {
  let machine: Machine | undefined;
  const settings = { networkname: 'net', interface: '', localnet: '10.42.0.0/30', routes: '172.20.0.0/16' };
  const tls = { servers: new Map(), clients: new Map(), files: [] };
  const service = await ipRouter(settings, { netceptor: here, tls, log }, async (wanted) => {
    machine = new Machine(wanted);
    return machine;
  });
  ends.push(() => service.close());
  if (!machine) throw new Error('no interface was made');
  return machine;
}

/** Another node that leads to networks, for whose packets the test stands in. */
function otherRouter(...routes: string[]): { packets: PacketConnection; received: Buffer[] } {
  const packets = there.openPacket('net', {
    connectionType: 0,
    tags: routerTags('net', network('10.42.0.4/30'), routes.map(network)),
  });
  const received: Buffer[] = [];
  packets.on('packet', ({ payload }) => received.push(payload));
  return { packets, received };
}

describe('an IP router', () => {
  it('has the first address of its network, and the other end the second', async () => {
    const { settings } = await startRouter();
    expect(settings).toEqual({ name: '', local: address('10.42.0.1'), peer: address('10.42.0.2') });
  });

  it('routes to a node as long as that tells that it leads somewhere', async () => {
    const machine = await startRouter();
    const { packets, received } = otherRouter('192.168.0.0/16');
    await vi.waitFor(
      () =>
        expect([...machine.routes].sort()).toEqual([route('10.42.0.4/30'), route('192.168.0.0/16')].sort()),
      20_000,
    );
    const sent = packet('10.42.0.1', '192.168.3.4');
    expect(machine.send(sent)).toBe(true);
    await vi.waitFor(() => expect(received).toEqual([sent]));

    packets.close();
    await vi.waitFor(() => expect(machine.routes.size).toBe(0), 20_000);
    expect(machine.send(sent)).toBe(true);
  });

  it('takes packets of IP from the router of a node, from addresses that nobody else has, and nothing else', async () => {
    const machine = await startRouter();
    const { packets } = otherRouter();
    const other = there.openPacket('other');
    await vi.waitFor(() => expect(machine.routes.size).toBe(1), 20_000);
    const good = packet('10.42.0.5', '10.42.0.1');
    other.send(good, 'here', 'net');
    for (const payload of [
      Buffer.alloc(0),
      Buffer.from('no packet'),
      good.subarray(0, good.length - 1),
      // From this machine, and from networks it leads to.
      packet('10.42.0.1', '10.42.0.1'),
      packet('172.20.1.1', '10.42.0.1'),
      good,
    ])
      packets.send(payload, 'here', 'net');
    await vi.waitFor(() => expect(machine.received).toEqual([good]));
    expect(logged.filter((line) => line.includes('Dropped'))).toHaveLength(6);
  });

  it('leaves packets with the machine while the link takes no more, and not for ever', async () => {
    const machine = await startRouter();
    otherRouter();
    await vi.waitFor(() => expect(machine.routes.size).toBe(1), 20_000);
    const drained: (() => void)[] = [];
    const send = vi.spyOn(PacketConnection.prototype, 'send').mockReturnValue(false);
    vi.spyOn(PacketConnection.prototype, 'whenDrained').mockImplementation(
      (resume) => void drained.push(resume),
    );
    const sent = packet('10.42.0.1', '10.42.0.5');

    expect(machine.send(sent)).toBe(false);
    expect(machine.resumed).toBe(0);
    drained.shift()?.();
    expect(machine.resumed).toBe(1);

    // One that stays full loses what is for it, so that others get theirs.
    expect(machine.send(sent)).toBe(false);
    await vi.waitFor(() => expect(machine.resumed).toBe(2), 20_000);
    send.mockClear();
    expect(machine.send(sent)).toBe(true);
    expect(send).not.toHaveBeenCalled();
    drained.shift()?.();
    expect(machine.send(sent)).toBe(false);
    expect(send).toHaveBeenCalledOnce();
  });

  it('ends when its interface has gone, once', async () => {
    const machine = await startRouter();
    otherRouter();
    await vi.waitFor(() => expect(machine.routes.size).toBe(1), 20_000);
    machine.fail(Object.assign(new Error('EBADFD'), { code: 'EBADFD' }));
    expect(machine.closed).toBe(1);
    expect(machine.routes.size).toBe(0);
    expect(logged.filter((line) => line.startsWith('ERROR'))).toEqual([
      expect.stringMatching(/reading from tun device tun0: .*IP router net has ended/),
    ]);
    // The name is free again.
    here.openPacket('net').close();
  });

  it('removes its interface when its name on the mesh is taken', async () => {
    here.openPacket('net');
    let machine: Machine | undefined;
    const tls = { servers: new Map(), clients: new Map(), files: [] };
    const settings = { networkname: 'net', interface: '', localnet: '10.42.0.0/30', routes: '' };
    const start = ipRouter(settings, { netceptor: here, tls, log }, async (wanted) => {
      machine = new Machine(wanted);
      return machine;
    });
    await expect(start).rejects.toThrow(/^error listening for service net: /);
    expect(machine?.closed).toBe(1);
  });
});
