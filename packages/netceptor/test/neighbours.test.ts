import { expect, it } from 'vitest';
import type { Link } from '../src/link/link.js';
import { Neighbours } from '../src/node/neighbours.js';
import { VirtualClock } from '../src/simulation/virtual-clock.js';

const MIB = 1024 * 1024;

it('neighbours that do not read are given up, those with most waiting first, when too much waits for all together', () => {
  const neighbours = new Neighbours('node', new VirtualClock());
  const givenUp: string[] = [];
  const add = (peer: string, backlog: number) => {
    const link = {
      peer,
      backlog,
      sendControl() {},
      giveUp() {
        givenUp.push(peer);
        neighbours.remove(link as unknown as Link);
      },
    };
    neighbours.add(peer, link as unknown as Link, 1);
  };
  for (let i = 0; i < 50; i++) add(`slow${i}`, 10 * MIB);
  add('slowest', 12 * MIB);
  neighbours.flood(Buffer.alloc(1));
  expect(givenUp).toEqual([]);
  add('healthy', MIB);
  neighbours.flood(Buffer.alloc(1));
  expect(givenUp).toEqual(['slowest']);
});
