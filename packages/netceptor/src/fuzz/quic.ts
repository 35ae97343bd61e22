import { QuicEndpoint, QuicError } from '@receptor/quic';
import type { CancelTimer } from '../clock.js';
import { seededRandom } from '../simulation/random.js';
import { VirtualClock } from '../simulation/virtual-clock.js';
import { insecureIdentity } from '../tls/insecure.js';
import { DATA_HEADER } from '../wire/data.js';
import { capturedMessages } from './corpus.js';
import { joinMessages, mutate, splitMessages } from './mutate.js';
import { CLIENT_HELLO, sealInitial } from './sealed-initial.js';
import { check, type FuzzTarget } from './target.js';

const MAX_TIME = 60_000;
const STEP = 500;
/** Messages of an input: frames to be sealed, or a datagram as it is. */
const FRAMES = 0;
const DATAGRAM = 1;

type Send = (datagrams: Buffer[], destination: string) => void;

const identity = insecureIdentity(Date.now());

function endpointOn(clock: VirtualClock, send: Send): QuicEndpoint {
  return new QuicEndpoint({
    send,
    clock: {
      now: () => clock.now(),
      setTimeout: (callback, milliseconds) => clock.schedule(milliseconds, callback),
      clearTimeout: (timer) => (timer as CancelTimer | undefined)?.(),
    },
  });
}

function listen(endpoint: QuicEndpoint, failures: QuicError[]): void {
  endpoint.listen({
    protocols: ['netceptor', 'alpn'],
    identity,
    onConnection: (connection) => {
      connection.once('close', (error) => failures.push(error));
      const echo = async () => {
        const stream = await connection.acceptStream();
        stream.on('error', () => {}).pipe(stream);
      };
      echo().catch(() => {});
    },
    onFailure: (error) => failures.push(error),
  });
}

/** None of them tells of a failure of the engine itself, which would have ended every connection of the process. */
function checkEngine(failures: readonly unknown[]): void {
  for (const failure of failures) {
    if (!(failure instanceof QuicError)) throw failure;
    check(failure.code !== 'QUIC_INTERNAL', failure.message);
  }
}

/** Datagrams from strangers: captured ones, and first packets with changed content. */
export function quicDatagramsTarget(): FuzzTarget {
  const datagrams = capturedMessages(0)
    .map((message) => message.subarray(DATA_HEADER))
    .filter(({ length }) => length > 20);
  const kind = (which: number, bytes: Buffer) =>
    Buffer.concat([Buffer.from([which]), bytes.subarray(0, 60_000)]);
  return {
    name: 'quic-datagrams',
    generate: (random) =>
      joinMessages(
        Array.from({ length: 1 + random(4) }, () => {
          const choice = random(3);
          if (choice === 0) return kind(FRAMES, mutate(random, [CLIENT_HELLO]));
          return kind(DATAGRAM, mutate(random, choice === 1 ? datagrams : [sealInitial(CLIENT_HELLO)]));
        }),
      ),
    async run(input) {
      const clock = new VirtualClock();
      const failures: QuicError[] = [];
      const endpoint = endpointOn(clock, () => {});
      listen(endpoint, failures);
      for (const message of splitMessages(input)) {
        const bytes = message.subarray(1);
        endpoint.receive(message[0] === FRAMES ? sealInitial(bytes) : bytes, 'stranger');
        await clock.advance(1);
      }
      await clock.advance(100);
      endpoint.close();
      await clock.advance(0);
      checkEngine(failures);
      check(clock.pending === 0, `a closed endpoint has left ${clock.pending} timers`);
    },
  };
}

/** Connections between two endpoints, with a handshake of their own, over a network that changes what it carries. */
export function quicHandshakeTarget(): FuzzTarget {
  return {
    name: 'quic-handshake',
    generate: (random) => Buffer.from([random(256), random(256), random(256), random(256)]),
    async run(input) {
      const seed = Buffer.alloc(4);
      input.copy(seed);
      const random = seededRandom(seed.readUInt32BE());
      const changed = 2 + random(10);
      const clock = new VirtualClock();
      const failures: unknown[] = [];
      const carry =
        (to: () => QuicEndpoint, from: string): Send =>
        (datagrams) => {
          for (const datagram of datagrams) {
            const bytes = random(changed) === 0 ? mutate(random, [datagram]) : datagram;
            clock.schedule(random(3), () => to().receive(bytes, from));
          }
        };
      const client: QuicEndpoint = endpointOn(
        clock,
        carry(() => server, 'client'),
      );
      const server: QuicEndpoint = endpointOn(
        clock,
        carry(() => client, 'server'),
      );
      listen(server, failures as QuicError[]);
      let settled = false;
      let closing = false;
      const talk = async () => {
        const connection = await client.connect('server', { protocols: ['netceptor'], verifyPeer: () => {} });
        connection.once('close', (error) => failures.push(error));
        const stream = await connection.openStream();
        const sent = Buffer.alloc(5000, 'x');
        const heard: Buffer[] = [];
        stream.end(sent);
        for await (const chunk of stream) heard.push(chunk as Buffer);
        check(Buffer.concat(heard).equals(sent), 'a stream has not carried what it was given');
      };
      const done = talk()
        .catch((error: unknown) => {
          // Who is still talking when the time is over is cut off from here, which is no failure.
          if (!closing) failures.push(error);
        })
        .finally(() => {
          settled = true;
        });
      for (let time = 0; !settled && time < MAX_TIME; time += STEP) await clock.advance(STEP);
      closing = true;
      client.close();
      server.close();
      await clock.advance(STEP);
      await done;
      checkEngine(failures);
      check(clock.pending === 0, `closed endpoints have left ${clock.pending} timers`);
    },
  };
}
