import {
  createCipheriv,
  createDecipheriv,
  type KeyObject,
  randomFillSync,
  X509Certificate,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CERTIFICATE_ALERTS, CertificateRefused, QuicError } from './errors.js';
import { signHandshake, verifyHandshake } from './signatures.js';
import { Instance, type Memory, Module } from './webassembly.js';

/** The calls of the module; crate/src describes them. */
export interface Exports {
  memory: Memory;
  __wasm_call_ctors(): void;
  input(length: number): number;
  output(): number;
  output_length(): number;
  segment(): number;
  code(): number;
  live_bytes(): number;
  endpoint_new(): number;
  endpoint_free(endpoint: number): void;
  endpoint_listen(endpoint: number): number;
  endpoint_connect(endpoint: number, peer: number, now: number): number;
  endpoint_failure(): number;
  endpoint_receive(endpoint: number, peer: number, accept: number, now: number): number;
  connection_poll(connection: number): number;
  connection_transmit(connection: number, most: number, now: number): number;
  connection_timeout(connection: number): number;
  connection_expire(connection: number, now: number): void;
  connection_close(connection: number, code: number, now: number): void;
  connection_handshake(connection: number): number;
  connection_statistics(connection: number): number;
  connection_free(connection: number): void;
  stream_open(connection: number): number;
  stream_accept(connection: number): number;
  stream_write(connection: number, stream: number): number;
  stream_read(connection: number, stream: number, most: number): number;
  stream_finish(connection: number, stream: number): number;
  stream_reset(connection: number, stream: number, code: number): void;
  stream_stop(connection: number, stream: number, code: number): void;
}

/** Results of calls that are no numbers of anything; see crate/src/lib.rs. */
export const RESULT = { nothing: -1, refused: -2, stopped: -3, gone: -4 } as const;

/** What the engine asks while it handles a connection. */
export interface EngineConnection {
  /** Throws to refuse the peer's chain. */
  verify(chain: X509Certificate[]): void;
  /** Takes note of why the chain was refused. */
  refused(error: Error): void;
}

/** Someone to be told that the engine has failed. */
export interface EngineUser {
  engineFailed(error: QuicError): void;
}

/** How packets are protected; sizes in bytes. */
const AEAD = 'chacha20-poly1305';
const KEY = 32;
const NONCE = 12;
const TAG = 16;

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
  readonly connections = new Map<number, EngineConnection>();
  readonly #keys = new Map<number, KeyObject>();
  readonly #exports: Exports;
  #view: Uint8Array;
  #nextKey = 1;
  #inside = false;
  /** The certificate that was verified last. */
  #leaf: X509Certificate | undefined;
  #failure: QuicError | undefined;
  /** What the module last wrote to its standard error: the message of a panic. */
  #said = '';

  constructor() {
    module ??= new Module(readFileSync(new URL('../wasm/quic.wasm', import.meta.url)));
    const instance = new Instance(module, {
      host: this.#host(),
      wasi_snapshot_preview1: this.#wasi(),
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

  /** The callbacks in the midst of a handshake. None may throw: that would leave the module half way. */
  #host() {
    const at = (start: number, length: number) => this.bytes.subarray(start, start + length);
    const slice = (start: number, length: number) => Buffer.from(at(start, length));
    return {
      verify_chain: (id: number, at: number, length: number): number => {
        const connection = this.connections.get(id);
        if (!connection) return CERTIFICATE_ALERTS.certificate_unknown;
        try {
          const chain = parseChain(slice(at, length));
          this.#leaf = chain[0];
          connection.verify(chain);
          return 0;
        } catch (error) {
          connection.refused(error instanceof Error ? error : new Error(String(error)));
          return CERTIFICATE_ALERTS[error instanceof CertificateRefused ? error.alert : 'bad_certificate'];
        }
      },
      verify_signature: (
        scheme: number,
        certificate: number,
        certificateLength: number,
        message: number,
        messageLength: number,
        signature: number,
        signatureLength: number,
      ): number => {
        try {
          // It follows upon the certificate's own verification.
          const leaf = slice(certificate, certificateLength);
          const known = this.#leaf?.raw.equals(leaf) ? this.#leaf : new X509Certificate(leaf);
          this.#leaf = undefined;
          const valid = verifyHandshake(
            scheme,
            known.publicKey,
            slice(message, messageLength),
            slice(signature, signatureLength),
          );
          return valid ? 1 : 0;
        } catch {
          return 0;
        }
      },
      seal: (
        key: number,
        nonce: number,
        header: number,
        headerLength: number,
        payload: number,
        length: number,
        tag: number,
      ): number => {
        try {
          const { bytes } = this;
          const cipher = createCipheriv(AEAD, at(key, KEY), at(nonce, NONCE), { authTagLength: TAG });
          cipher.setAAD(at(header, headerLength), { plaintextLength: length });
          bytes.set(cipher.update(at(payload, length)), payload);
          cipher.final();
          bytes.set(cipher.getAuthTag(), tag);
          return 1;
        } catch {
          return 0;
        }
      },
      unseal: (
        key: number,
        nonce: number,
        header: number,
        headerLength: number,
        payload: number,
        length: number,
        tag: number,
      ): number => {
        try {
          const decipher = createDecipheriv(AEAD, at(key, KEY), at(nonce, NONCE), { authTagLength: TAG });
          decipher.setAAD(at(header, headerLength), { plaintextLength: length });
          decipher.setAuthTag(at(tag, TAG));
          const plain = decipher.update(at(payload, length));
          decipher.final();
          this.bytes.set(plain, payload);
          return 1;
        } catch {
          return 0;
        }
      },
      sign: (
        number: number,
        scheme: number,
        message: number,
        length: number,
        at: number,
        capacity: number,
      ): number => {
        try {
          const key = this.#keys.get(number);
          if (!key) return -1;
          const signature = signHandshake(scheme, key, slice(message, length));
          if (signature.length > capacity) return -1;
          this.bytes.set(signature, at);
          return signature.length;
        } catch {
          return -1;
        }
      },
    };
  }

  /** The few calls of WASI that the module makes: random bytes, an origin of time, the last words of a panic. */
  #wasi() {
    const view = () => new DataView(this.#exports.memory.buffer);
    const success = 0;
    return {
      random_get: (at: number, length: number): number => {
        randomFillSync(this.bytes, at, length);
        return success;
      },
      clock_time_get: (_clock: number, _precision: bigint, at: number): number => {
        view().setBigUint64(at, 0n, true);
        return success;
      },
      environ_get: (): number => success,
      environ_sizes_get: (count: number, size: number): number => {
        view().setUint32(count, 0, true);
        view().setUint32(size, 0, true);
        return success;
      },
      fd_write: (_fd: number, vectors: number, count: number, written: number): number => {
        let total = 0;
        for (let index = 0; index < count; index++) {
          const at = view().getUint32(vectors + 8 * index, true);
          const length = view().getUint32(vectors + 8 * index + 4, true);
          this.#said = (this.#said + Buffer.from(this.bytes.subarray(at, at + length)).toString()).slice(
            -1000,
          );
          total += length;
        }
        view().setUint32(written, total, true);
        return success;
      },
      proc_exit: (code: number): never => {
        throw new Error(`the module exited with ${code}`);
      },
    };
  }
}

/** Takes apart a chain of certificates, each after its length. */
function parseChain(bytes: Buffer): X509Certificate[] {
  return parseList(bytes).map((certificate) => {
    try {
      return new X509Certificate(certificate);
    } catch (cause) {
      throw new CertificateRefused('x509: malformed certificate', 'bad_certificate', { cause });
    }
  });
}

/** Takes apart a list of byte strings, each after its length. */
export function parseList(bytes: Buffer): Buffer[] {
  const list: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32LE(at);
    list.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return list;
}
