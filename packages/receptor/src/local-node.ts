import { type Duplex, duplexPair } from 'node:stream';
import { formatDuration, type PingReply, ReceptorError, type TracerouteHop } from '@receptor/protocol';
import type { Workceptor } from '@receptor/workceptor';
import { NO_ROUTE } from './control/commands/routes.js';
import { isOwnNode, type NodeSnapshot, type NodeView, type OwnService } from './control/node-view.js';

/** Serves a stream that another node, or this one, has opened to a service; `remote` is who. */
export type ServeStream = (stream: Duplex, remote: string) => void;

/** A node without links: it knows itself, and reaches itself. Nothing of the mesh has to be loaded for it. */
export class LocalNode implements NodeView {
  readonly id: string;
  readonly #version: string;
  readonly #workceptor: Pick<Workceptor, 'workTypes'>;
  readonly #services = new Map<string, { readonly service: OwnService; readonly serve: ServeStream }>();
  #snapshot: NodeSnapshot | undefined;

  constructor(id: string, version: string, workceptor: Pick<Workceptor, 'workTypes'>) {
    this.id = id;
    this.#version = version;
    this.#workceptor = workceptor;
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
  addService(name: string, serve: ServeStream): void {
    if (this.#services.has(name)) throw serviceInUse(name);
    this.#services.set(name, { service: { name, tls: false }, serve });
    this.changed();
  }

  ping(target: string): PingReply {
    const start = process.hrtime.bigint();
    if (!isOwnNode(target, this.id)) return { Success: false, Error: NO_ROUTE };
    return { Success: true, From: this.id, ...took(start) };
  }

  *traceroute(target: string): Iterable<TracerouteHop> {
    const start = process.hrtime.bigint();
    yield { From: this.id, ...took(start) };
    if (!isOwnNode(target, this.id)) yield { Error: NO_ROUTE, From: this.id, ...took(start) };
  }

  async dial(node: string, name: string, tlsClient?: string): Promise<Duplex> {
    const failed = (text: string) => new ReceptorError('RECEPTOR_CONNECT_FAILED', text);
    if (tlsClient !== undefined) throw failed(`unknown TLS config ${tlsClient}`);
    checkDialledService(name);
    if (!isOwnNode(node, this.id)) throw failed(`INTERNAL_ERROR (local): ${NO_ROUTE}`);
    const found = this.#services.get(name);
    if (!found) throw failed('INTERNAL_ERROR (local): service unknown');
    const [near, far] = duplexPair();
    found.serve(far, this.id);
    return near;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** @throws ReceptorError `RECEPTOR_CONNECT_FAILED` when no service can have the name */
export function checkDialledService(name: string): void {
  if (Buffer.byteLength(name) > 8)
    throw new ReceptorError('RECEPTOR_CONNECT_FAILED', 'INTERNAL_ERROR (local): service name too long');
}

/** That a service of that name is there already; the beginning is what clients of the Go daemon see, and wrong. */
export function serviceInUse(name: string): ReceptorError {
  return new ReceptorError(
    'RECEPTOR_CONFIG_INVALID',
    `error opening Unix socket: service ${name} is already listening`,
  );
}

function took(start: bigint): { Time: number; TimeStr: string } {
  const time = process.hrtime.bigint() - start;
  return { Time: Number(time), TimeStr: formatDuration(time) };
}
