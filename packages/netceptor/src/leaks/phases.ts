import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { BackendContext, DiallingBackend, Session } from '../backends/backend.js';
import { StreamSession } from '../backends/stream-session.js';
import { TcpDialler, TcpListener } from '../backends/tcp.js';
import { Netceptor } from '../node.js';
import type { Phase } from './check.js';

const HOST = '127.0.0.1';
/** Dials that are under way at the same time. */
const LANES = 50;

/** Two nodes with a link, as long as phases run. */
export interface Nodes {
  readonly phases: (scale: number) => readonly Phase[];
  close(): Promise<void>;
}

/** Starts the nodes. */
export async function startNodes(): Promise<Nodes> {
  const far = new Netceptor({ id: 'far' });
  const near = new Netceptor({ id: 'near' });
  const guest = new Netceptor({ id: 'guest' });
  const { address } = await far.addBackend(new TcpListener({ port: 0, host: HOST }));
  await near.addBackend(new TcpDialler({ address }));
  while (!near.isReachable('far')) await once(near, 'routesChanged');
  while (!far.isReachable('near')) await once(far, 'routesChanged');
  far.listen('echo', (stream) => stream.on('error', () => {}).pipe(stream));
  return {
    phases: (scale) => {
      const times = (count: number) => Math.max(10, Math.round(count * scale));
      return [
        {
          name: 'connections one after the other',
          count: times(10_000),
          run: (n) => connections(address, n),
        },
        { name: 'streams one after the other', count: times(10_000), run: (n) => streams(near, n) },
        // The memory of WebAssembly grows with the most that was ever held, and never shrinks.
        { name: 'streams at once', count: times(1000), warmUp: times(1000), run: (n) => held(near, n) },
        { name: 'link flaps', count: times(1000), run: (n) => flaps(guest, far, address, n) },
      ];
    },
    close: async () => {
      await Promise.all([near.close(), guest.close(), far.close()]);
    },
  };
}

/** Connections that never say who they are: half of them end, half are reset. */
async function connections(address: string, count: number): Promise<void> {
  const port = Number(address.split(':').at(-1));
  for (let i = 0; i < count; i++) {
    const socket = connect(port, HOST).on('error', () => {});
    await once(socket, 'connect');
    const closed = once(socket, 'close');
    if (i % 2) socket.resetAndDestroy();
    else socket.resume().end();
    await closed;
  }
}

async function finish(stream: Duplex): Promise<void> {
  stream.end('x');
  let heard = '';
  for await (const chunk of stream) heard += String(chunk);
  if (heard !== 'x') throw new Error(`a stream brought back ${JSON.stringify(heard)}`);
}

async function streams(node: Netceptor, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await finish(await node.dial('far', 'echo'));
}

async function held(node: Netceptor, count: number): Promise<void> {
  const open: Duplex[] = [];
  while (open.length < count) {
    const lanes = Math.min(LANES, count - open.length);
    open.push(...(await Promise.all(Array.from({ length: lanes }, () => node.dial('far', 'echo')))));
  }
  await Promise.all(open.map(finish));
}

/** A dialler whose connection can be torn. */
class TornDialler implements DiallingBackend {
  readonly kind = 'dialler';
  readonly redial = false;
  socket: Socket | undefined;

  constructor(readonly address: string) {}

  async connect({ clock }: BackendContext): Promise<Session> {
    const socket = connect(Number(this.address.split(':').at(-1)), HOST);
    this.socket = socket;
    await once(socket, 'connect');
    return new StreamSession(socket, this.address, clock);
  }
}

/** Links that come up and end: half of them politely, half are torn. */
async function flaps(guest: Netceptor, far: Netceptor, address: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const dialler = new TornDialler(address);
    const up = Promise.all([once(guest, 'linkUp'), once(far, 'linkUp')]);
    const backend = await guest.addBackend(dialler);
    await up;
    const down = Promise.all([once(guest, 'linkDown'), once(far, 'linkDown')]);
    if (i % 2) dialler.socket?.resetAndDestroy();
    else await backend.stop();
    await down;
    await backend.stop();
  }
}
