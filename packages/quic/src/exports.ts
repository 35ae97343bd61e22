import type { Memory } from './webassembly.js';

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
  endpoint_connect(endpoint: number, peer: number, known: number, now: number): number;
  endpoint_failure(): number;
  endpoint_receive(endpoint: number, peer: number, accept: number, known: number, now: number): number;
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
