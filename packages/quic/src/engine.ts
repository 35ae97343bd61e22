import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { QuicError } from './errors.js';
import type { Exports } from './exports.js';
import { handshakeHost, type Judge } from './handshake-host.js';
import { packetProtection } from './packet-protection.js';
import { wasi } from './wasi.js';
import { Instance, Module } from './webassembly.js';

/** Someone to be told that the engine has failed. */
export interface EngineUser {
  engineFailed(error: QuicError): void;
}

/** An endpoint whose memory stays below this takes new connections. */
const MEMORY_LIMIT = 1 << 30;

let module: object | undefined;
let shared: Engine | undefined;

/** The engine that all endpoints of the process share; a new one after the last has failed. */
export function engine(): Engine {
  if (!shared?.alive) shared = new Engine();
  return shared;
}

/**
 * One instance of the WebAssembly module. It is entered through {@link Engine.call} only, so that a trap is contained:
 * it ends this instance and what lives in it, and nothing else.
 */
export class Engine {
  readonly users = new Set<EngineUser>();
  readonly connections = new Map<number, Judge>();
  readonly #keys = new Map<number, KeyObject>();
  readonly #exports: Exports;
  #view: Uint8Array;
  #nextKey = 1;
  #inside = false;
  #failure: QuicError | undefined;
  /** What the module last wrote to its standard error: the message of a panic. */
  #said = '';

  constructor() {
    module ??= new Module(readFileSync(new URL('../wasm/quic.wasm', import.meta.url)));
    const memory = () => this.bytes;
    const handshake = { memory, judges: this.connections, keys: this.#keys };
    const say = (text: string) => {
      this.#said = (this.#said + text).slice(-1000);
    };
    const instance = new Instance(module, {
      host: { ...handshakeHost(handshake), ...packetProtection(memory) },
      wasi_snapshot_preview1: wasi(() => this.#exports.memory, say),
    });
    this.#exports = instance.exports as unknown as Exports;
    this.#view = new Uint8Array(this.#exports.memory.buffer);
    this.#exports.__wasm_call_ctors();
  }

  get alive(): boolean {
    return this.#failure === undefined;
  }

  /** Whether there is room for another connection. */
  get roomy(): boolean {
    return this.call((module) => module.live_bytes()) < MEMORY_LIMIT;
  }

  /** Bytes of the module's memory: in use, and taken from the system. */
  memory(): { used: number; total: number } {
    return {
      used: this.call((module) => module.live_bytes()),
      total: this.#exports.memory.buffer.byteLength,
    };
  }

  /** Enters the module. Throws QUIC_INTERNAL if it traps, or has before. */
  call<T>(body: (module: Exports) => T): T {
    if (this.#failure) throw this.#failure;
    if (this.#inside) throw new QuicError('QUIC_INVALID', 'QUIC was called from within a verification');
    this.#inside = true;
    try {
      return body(this.#exports);
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#inside = false;
    }
  }

  #fail(cause: unknown): QuicError {
    const why = this.#said.trim() || (cause as Error).message;
    const failure = new QuicError('QUIC_INTERNAL', `the QUIC engine failed: ${why}`, { cause });
    this.#failure = failure;
    const users = [...this.users];
    this.users.clear();
    this.connections.clear();
    this.#keys.clear();
    // After the call that failed, so that no one is called back in the midst of its own work.
    queueMicrotask(() => {
      for (const user of users) user.engineFailed(failure);
    });
    return failure;
  }

  /** The module's memory; not to be kept, since growth replaces it. */
  get bytes(): Uint8Array {
    if (this.#view.buffer !== this.#exports.memory.buffer)
      this.#view = new Uint8Array(this.#exports.memory.buffer);
    return this.#view;
  }

  /** Puts arguments into the module, joined. Within {@link Engine.call}. */
  input(...parts: readonly Uint8Array[]): void {
    let length = 0;
    for (const part of parts) length += part.length;
    let at = this.#exports.input(length);
    for (const part of parts) {
      this.bytes.set(part, at);
      at += part.length;
    }
  }

  /** The first bytes of the last result; to be copied before the next call. Within {@link Engine.call}. */
  output(length: number): Uint8Array {
    const at = this.#exports.output();
    return this.bytes.subarray(at, at + length);
  }

  /** The reason why the last call was refused, as an error. Within {@link Engine.call}. */
  refusal(): QuicError {
    return new QuicError('QUIC_INVALID', Buffer.from(this.output(this.#exports.output_length())).toString());
  }

  /** Registers a key; gives its number. */
  addKey(key: KeyObject): number {
    const number = this.#nextKey++;
    this.#keys.set(number, key);
    return number;
  }

  removeKey(number: number): void {
    this.#keys.delete(number);
  }
}
