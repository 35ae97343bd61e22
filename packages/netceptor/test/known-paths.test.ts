import type { QuicConnection } from '@receptor/quic';
import { describe, expect, it } from 'vitest';
import { KnownPaths } from '../src/stream/known-paths.js';
import { encodeRemote } from '../src/stream/transport.js';

const ended = (node: string, datagramSize?: number) =>
  ({
    remote: encodeRemote(node, 'svc'),
    statistics: () => (datagramSize === undefined ? undefined : { datagramSize }),
  }) as unknown as QuicConnection;

describe('what is known of the ways to other nodes', () => {
  it('is what the last connection has found out', () => {
    const paths = new KnownPaths(() => true);
    expect(paths.size('b')).toBe(0);
    paths.learn(ended('b', 65_471));
    paths.learn(ended('c', 1416));
    paths.learn(ended('b'));
    expect([paths.size('b'), paths.size('c')]).toEqual([65_471, 1416]);
    paths.learn(ended('b', 1200));
    expect(paths.size('b')).toBe(1200);
  });

  it('is forgotten with the way, and not kept of nodes out of reach', () => {
    const reachable = new Set(['b']);
    const paths = new KnownPaths((node) => reachable.has(node));
    paths.learn(ended('b', 65_471));
    paths.forget('b');
    expect(paths.size('b')).toBe(0);
    reachable.clear();
    paths.learn(ended('b', 65_471));
    expect(paths.size('b')).toBe(0);
  });
});
