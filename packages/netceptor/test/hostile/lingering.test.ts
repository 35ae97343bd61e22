import { EventEmitter } from 'node:events';
import type { QuicConnection } from '@receptor/quic';
import { expect, it } from 'vitest';
import { Lingering } from '../../src/stream/lifetime.js';

class FakeConnection extends EventEmitter {
  closed = false;

  close(): void {
    this.closed = true;
    this.emit('close');
  }
}

it('connections that linger after use are 1,000, of which the oldest goes first', () => {
  const lingering = new Lingering();
  const connections = Array.from({ length: 1001 }, () => new FakeConnection());
  const add = (connection: FakeConnection) => lingering.add(connection as unknown as QuicConnection);
  for (const connection of connections.slice(0, 1000)) add(connection);
  expect(connections.filter(({ closed }) => closed)).toEqual([]);
  add(connections[1000] as FakeConnection);
  expect(connections.findIndex(({ closed }) => closed)).toBe(0);
  expect(connections.filter(({ closed }) => closed)).toHaveLength(1);
  // One that has ended by itself makes room.
  connections[500]?.close();
  add(new FakeConnection());
  expect(connections.filter(({ closed }) => closed)).toHaveLength(2);
});
