import { describe, expect, it } from 'vitest';
import { type Session, silentLogger } from '../../src/index.js';
import { Link, type LinkOwner } from '../../src/link/link.js';
import { BackendRunner } from '../../src/link/runner.js';
import type { LinkEnd } from '../../src/link/state.js';
import { VirtualClock } from '../../src/simulation/virtual-clock.js';
import { introduce } from './victim.js';

const MIB = 1024 * 1024;
const rules = { nodeId: 'victim', cost: 1, nodeCost: new Map(), allowedPeers: undefined, idleLimit: 21_000 };
const owner: LinkOwner = {
  introduction: () => Buffer.from('\u0001hello'),
  occupancy: () => 'free',
  isRepeated: () => false,
  established() {},
  update() {},
  advertisement() {},
  data() {},
  drained() {},
};

/** A session of which a test says how much its other end has left unread, and what it sends. */
class FakeSession implements Session {
  readonly maxMessage = 65_535;
  backlog = 0;
  sent = 0;
  closed = false;
  message: (message: Buffer) => void = () => {};
  readonly #remote: string;

  constructor(remote = '10.0.0.1:1') {
    this.#remote = remote;
  }

  get remote(): string {
    return this.#remote;
  }

  open({ message }: Parameters<Session['open']>[0]): void {
    this.message = message;
  }

  send(): void {
    this.sent++;
  }

  close(): void {
    this.closed = true;
  }
}

function linkUp(log = silentLogger) {
  const session = new FakeSession();
  const ends: LinkEnd[] = [];
  const clock = new VirtualClock();
  const link = new Link({ session, rules, owner, clock, log, ended: (end) => void ends.push(end) });
  link.start();
  session.message(introduce('peer'));
  session.sent = 0;
  return { session, link, ends };
}

describe('a neighbour that does not read', () => {
  it('is sent packets until 4 MiB wait, and no more until some have gone', () => {
    const { session, link } = linkUp();
    session.backlog = 4 * MIB;
    expect(link.sendData(Buffer.alloc(100))).toBe(true);
    session.backlog = 4 * MIB + 1;
    expect(link.sendData(Buffer.alloc(100))).toBe(false);
    link.sendControl(Buffer.alloc(100));
    expect([session.sent, link.dropped]).toEqual([2, 1]);
    session.backlog = 0;
    expect(link.sendData(Buffer.alloc(100))).toBe(true);
  });

  it('is given up once more than 16 MiB wait', () => {
    const { session, link, ends } = linkUp();
    session.backlog = 16 * MIB;
    link.sendControl(Buffer.alloc(100));
    expect([session.sent, ends]).toEqual([1, []]);
    session.backlog = 16 * MIB + 1;
    link.sendControl(Buffer.alloc(100));
    expect([session.sent, session.closed]).toEqual([1, true]);
    expect(ends).toMatchObject([{ kind: 'stalled' }]);
  });
});

it('a neighbour that sends rubbish is told of 20 times, and then at level debug only', () => {
  let aloud = 0;
  let quietly = 0;
  const tell = () => {
    aloud++;
  };
  const debug = () => {
    quietly++;
  };
  const { session } = linkUp({ debug, info() {}, warning: tell, error: tell });
  const before = quietly;
  for (let i = 0; i < 100; i++)
    session.message(Buffer.from(['\u0009?', '\u0001{', '', '\u0000'][i % 4] as string, 'latin1'));
  // The last of them says that no more will be told.
  expect([aloud, quietly - before]).toEqual([21, 80]);
});

describe('sessions that have not said who they are', () => {
  async function listening() {
    const clock = new VirtualClock();
    let accept: (session: Session) => void = () => {};
    const runner = new BackendRunner({
      backend: {
        kind: 'listener',
        listen: (to) => {
          accept = to;
          return Promise.resolve('here');
        },
      },
      rules,
      owner: { ...owner, ended() {} },
      random: () => 0,
      clock,
      log: silentLogger,
    });
    await runner.start();
    const begin = (count: number, host: (i: number) => string) =>
      Array.from({ length: count }, (_, i) => {
        const session = new FakeSession(`${host(i)}:${i + 1}`);
        accept(session);
        return session;
      });
    return { clock, begin };
  }
  const open = (sessions: readonly FakeSession[]) => sessions.filter(({ closed }) => !closed).length;

  it.each(['10.0.0.1', '[::1]'])(
    'are 250 of the address %s, and nobody else is turned away',
    async (from) => {
      const { begin } = await listening();
      expect(open(begin(300, () => from))).toBe(250);
      expect(open(begin(1, () => '10.0.0.2'))).toBe(1);
    },
  );

  it('are 1,000 in all', async () => {
    const { begin } = await listening();
    expect(open(begin(1500, (i) => `10.0.0.${i % 100}`))).toBe(1000);
  });

  it('do not count those that have said it', async () => {
    const { begin } = await listening();
    for (const [i, session] of begin(250, () => '10.0.0.1').entries()) session.message(introduce(`node${i}`));
    expect(open(begin(250, () => '10.0.0.1'))).toBe(250);
  });

  it('end after 11 seconds, and make room', async () => {
    const { begin, clock } = await listening();
    const silent = begin(250, () => '10.0.0.1');
    await clock.advance(10_999);
    expect(open(silent)).toBe(250);
    await clock.advance(1);
    expect(open(silent)).toBe(0);
  });
});
