import type { QuicConnection } from '@receptor/quic';
import { decodeRemote } from './transport.js';

/**
 * How large the packets were that reached other nodes, so that a stream begins with such: to find it out anew takes each as
 * much work as its handshake. What was known of a node is forgotten when the way to it changes.
 */
export class KnownPaths {
  readonly #sizes = new Map<string, number>();
  readonly #isReachable: (node: string) => boolean;

  /** @param isReachable whether there is a way to a node */
  constructor(isReachable: (node: string) => boolean) {
    this.#isReachable = isReachable;
  }

  /** Bytes of the packets that reached a node; 0 when that is not known. */
  size(node: string): number {
    return this.#sizes.get(node) ?? 0;
  }

  /** Takes note of what a connection has found out. */
  learn(connection: QuicConnection): void {
    const { node } = decodeRemote(connection.remote);
    const size = connection.statistics()?.datagramSize;
    if (size !== undefined && this.#isReachable(node)) this.#sizes.set(node, size);
  }

  /** The way to a node is another now, or there is none. */
  forget(node: string): void {
    this.#sizes.delete(node);
  }
}
