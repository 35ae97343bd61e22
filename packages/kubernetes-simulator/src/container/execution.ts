import type { Writable } from 'node:stream';
import type { ContainerSpec, Pod } from '../objects.js';

/** How a container ended. */
export interface Exit {
  exitCode: number;
  /** Default `Completed` for 0, else `Error`. */
  reason?: string;
  /** The termination message. */
  message?: string;
  /** The container never ran; it has no time of start. */
  neverStarted?: boolean;
}

/** Where a container's output goes. A returned promise asks the container to wait: someone reads slowly. */
export interface Output {
  write(stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> | undefined;
  end(stream: 'stdout' | 'stderr'): void;
  /** Resolves when the first client is attached. */
  readonly attached: Promise<void>;
}

/** A container that is running: a process, or a script of a test. */
export interface Execution {
  readonly stdin: Writable;
  /** Resolves when it has ended and all of its output was taken. */
  readonly exited: Promise<Exit>;
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

/** What a container is started with. */
export interface Launch {
  pod: Pod;
  spec: ContainerSpec;
  output: Output;
  /** A directory of its own. */
  directory: string;
}
