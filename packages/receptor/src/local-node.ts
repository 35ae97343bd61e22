import { type Duplex, duplexPair } from 'node:stream';
import { ReceptorError } from '@receptor/protocol';
import type { Workceptor } from '@receptor/workceptor';
import { NO_ROUTE } from './control/commands/routes.js';
import { isOwnNode, type NodeSnapshot, type NodeView, type OwnService } from './control/node-view.js';

/** Serves a stream that another node, or this one, has opened to a service. */
export type ServeStream = (stream: Duplex) => void;

/** A node without links: it knows itself, and reaches itself. */
export class LocalNode implements NodeView {
  readonly id: string;
  readonly #version: string;
  readonly #workceptor: Pick<Workceptor, 'workTypes'>;
  readonly #tlsClients: { has(name: string): boolean };
  readonly #services = new Map<string, { readonly service: OwnService; readonly serve: ServeStream }>();
  #snapshot: NodeSnapshot | undefined;

  /** @param tlsClients the names of TLS settings that a dial may ask for */
  constructor(
    id: string,
    version: string,
    workceptor: Pick<Workceptor, 'workTypes'>,
    tlsClients: { has(name: string): boolean },
  ) {
    this.id = id;
    this.#version = version;
    this.#workceptor = workceptor;
    this.#tlsClients = tlsClients;
  }

  get snapshot(): NodeSnapshot {
    this.#snapshot ??= {
      nodeId: this.id,
      version: this.#version,
      services: [...this.#services.values()].map(({ service }) => service),
      workTypes: this.#workceptor.workTypes(),
    };
    return this.#snapshot;
  }

  /** Has to be told when a work type was added. */
  changed(): void {
    this.#snapshot = undefined;
  }

  /** @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when there is a service of that name */
  addService(service: OwnService, serve: ServeStream): void {
    if (this.#services.has(service.name))
      throw new ReceptorError(
        'RECEPTOR_CONFIG_INVALID',
        `error opening Unix socket: service ${service.name} is already listening`,
      );
    this.#services.set(service.name, { service, serve });
    this.changed();
  }

  /** Opens a stream to a service. @throws ReceptorError `RECEPTOR_CONNECT_FAILED` in the words of the mesh */
  dial(node: string, name: string, tlsClient?: string): Duplex {
    if (tlsClient !== undefined && !this.#tlsClients.has(tlsClient))
      throw new ReceptorError('RECEPTOR_CONNECT_FAILED', `unknown TLS config ${tlsClient}`);
    const refused = (text: string) =>
      new ReceptorError('RECEPTOR_CONNECT_FAILED', `INTERNAL_ERROR (local): ${text}`);
    if (Buffer.byteLength(name) > 8) throw refused('service name too long');
    if (!isOwnNode(node, this.id)) throw refused(NO_ROUTE);
    const found = this.#services.get(name);
    if (!found) throw refused('service unknown');
    if (found.service.tls || tlsClient !== undefined)
      throw new ReceptorError(
        'RECEPTOR_CONNECT_FAILED',
        tlsClient === undefined
          ? 'CRYPTO_ERROR 0x12a (local): insecure connection to secure service'
          : 'TLS between services is not available yet',
      );
    const [near, far] = duplexPair();
    found.serve(far);
    return near;
  }
}
