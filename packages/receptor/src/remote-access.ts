import type { Duplex } from 'node:stream';
import type { Netceptor } from '@receptor/netceptor';
import { ReceptorError } from '@receptor/protocol';
import type { RemoteAccess, Signer } from '@receptor/workceptor';
import type { NodeView } from './control/node-view.js';
import type { TlsProfiles } from './tls-profiles.js';

/** The service by which nodes give work to each other (reference: work, 5.1). */
const CONTROL = 'control';

/** The way to other nodes for units of work; {@link connect} gives it the node. */
export class NodeAccess implements RemoteAccess {
  readonly #tls: TlsProfiles;
  readonly #signer: Signer | undefined;
  readonly #listeners = new Map<string, Set<() => void>>();
  #node: Pick<NodeView, 'dial'> | undefined;

  constructor(tls: TlsProfiles, signer: Signer | undefined) {
    this.#tls = tls;
    this.#signer = signer;
  }

  /** Says which node it is; the node's units are taken up after that. */
  connect(node: Pick<NodeView, 'dial'>): void {
    this.#node = node;
  }

  /** Tells of nodes that come into reach from here on. */
  watch(netceptor: Netceptor): void {
    netceptor.on('nodeAppeared', (id) => {
      for (const listener of [...(this.#listeners.get(id) ?? [])]) listener();
    });
  }

  async dial(node: string, tlsClient: string, signal: AbortSignal): Promise<Duplex> {
    if (!this.#node) throw new ReceptorError('RECEPTOR_CONNECT_FAILED', 'the node is not running yet');
    return this.#node.dial(node, CONTROL, tlsClient || undefined, signal);
  }

  checkTlsClient(name: string): void {
    if (!this.#tls.clients.has(name))
      throw new ReceptorError('RECEPTOR_BAD_COMMAND', `unknown TLS config ${name}`);
  }

  async sign(node: string): Promise<string> {
    if (!this.#signer)
      throw new ReceptorError('RECEPTOR_SIGNATURE', 'cannot sign work: signing key is empty');
    return this.#signer.sign(node);
  }

  onAppeared(node: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(node) ?? new Set();
    this.#listeners.set(node, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(node) === listeners) this.#listeners.delete(node);
    };
  }
}
