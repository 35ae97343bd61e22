import { rmSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { ContainerLog, type LogSettings } from '../log/container-log.js';
import type { ContainerSpec, ContainerState, Pod } from '../objects.js';
import { kubeTime } from '../objects.js';
import type { Execution, Exit, Launch, Output } from './execution.js';
import { startProcess } from './process.js';
import { type Script, startScript } from './script.js';

/** A client attached to a container's output. */
export interface Attachment {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Takes output; a returned promise asks the container to wait. */
  output(stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> | undefined;
  /** All streams it asked for have ended. */
  finish(): void;
}

/** Starts it; what the system refuses outright, such as a NUL in an argument, is a container that never ran. */
const start = (launch: Launch, script: Script | undefined): Execution => {
  try {
    return script ? startScript(launch, script) : startProcess(launch);
  } catch (error) {
    const exit: Exit = { exitCode: 128, reason: 'StartError', message: String(error), neverStarted: true };
    const stdin = new PassThrough();
    stdin.destroy();
    return { stdin, exited: Promise.resolve(exit), kill: () => {} };
  }
};

/** One container of a pod, from its creation to its end. */
export class Container implements Output {
  readonly spec: ContainerSpec;
  readonly id: string;
  readonly log: ContainerLog;
  state: ContainerState = { waiting: { reason: 'ContainerCreating' } };
  readonly attached: Promise<void>;
  #onAttached: () => void = () => {};
  readonly #attachments = new Set<Attachment>();
  readonly #ended = new Set<'stdout' | 'stderr'>();
  #execution: Execution | undefined;
  #forced: Partial<Exit> = {};
  #tail: Buffer = Buffer.alloc(0);

  constructor(spec: ContainerSpec, id: string, log: Partial<LogSettings>) {
    this.spec = spec;
    this.id = `containerd://${id}`;
    this.log = new ContainerLog(log);
    this.attached = new Promise((resolve) => {
      this.#onAttached = resolve;
    });
  }

  get running(): boolean {
    return this.state.running !== undefined;
  }

  /** Starts it, and resolves when it has ended. `changed` is called as soon as it runs. */
  async run(pod: Pod, directory: string, script: Script | undefined, changed: () => void): Promise<void> {
    const startedAt = kubeTime(Date.now());
    const launch = { pod, spec: this.spec, output: this, directory };
    const execution = start(launch, script);
    this.#execution = execution;
    this.state = { running: { startedAt } };
    // A command that cannot be started is never seen running.
    const first = await Promise.race([
      execution.exited,
      new Promise<undefined>((go) => setImmediate(go, undefined)),
    ]);
    if (!first?.neverStarted) changed();
    const exit = { ...(await execution.exited), ...this.#forced };
    this.end('stdout');
    this.end('stderr');
    this.log.close();
    rmSync(directory, { recursive: true, force: true });
    const reason = exit.reason ?? (exit.exitCode === 0 ? 'Completed' : 'Error');
    const message = exit.message ?? this.#fallbackMessage(exit.exitCode);
    this.state = {
      terminated: {
        exitCode: exit.exitCode,
        reason,
        ...(message === undefined ? {} : { message }),
        startedAt: exit.neverStarted ? '1970-01-01T00:00:00Z' : startedAt,
        finishedAt: kubeTime(Date.now()),
        containerID: this.id,
      },
    };
  }

  /** Sends a signal; `as` says how the end is then described, such as OOMKilled. */
  kill(signal: 'SIGTERM' | 'SIGKILL', as: Partial<Exit> = {}): void {
    if (!this.running) return;
    this.#forced = { ...this.#forced, ...as };
    this.#execution?.kill(signal);
  }

  write(stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> | undefined {
    this.log.write(stream, chunk);
    this.#remember(chunk);
    let waits: Promise<void>[] | undefined;
    for (const attachment of this.#attachments) {
      const wait = attachment[stream] ? attachment.output(stream, chunk) : undefined;
      if (wait) waits = [...(waits ?? []), wait];
    }
    return waits && Promise.all(waits).then(() => {});
  }

  end(stream: 'stdout' | 'stderr'): void {
    if (this.#ended.has(stream)) return;
    this.#ended.add(stream);
    this.log.end(stream);
    for (const attachment of this.#attachments) if (this.#over(attachment)) attachment.finish();
  }

  /** Adds a client. One whose streams have all ended is finished at once. */
  attach(attachment: Attachment): void {
    this.#attachments.add(attachment);
    this.#onAttached();
    if (this.#over(attachment)) attachment.finish();
  }

  detach(attachment: Attachment): void {
    this.#attachments.delete(attachment);
  }

  /** Takes input; false asks to wait for `drained`. Input that nobody reads any more is dropped. */
  input(chunk: Uint8Array, drained: () => void): void {
    const stdin = this.#execution?.stdin;
    if (!this.running || !stdin?.writable) drained();
    else if (stdin.write(chunk)) drained();
    else {
      const go = () => {
        stdin.off('drain', go);
        stdin.off('close', go);
        drained();
      };
      stdin.on('drain', go);
      stdin.on('close', go);
    }
  }

  /** A client's input has ended; only with `stdinOnce` does the container learn of it. */
  inputEnded(): void {
    if (this.spec.stdinOnce && this.#execution?.stdin.writable) this.#execution.stdin.end();
  }

  #over({ stdout, stderr }: Attachment): boolean {
    if (!stdout && !stderr) return false;
    return (!stdout || this.#ended.has('stdout')) && (!stderr || this.#ended.has('stderr'));
  }

  #remember(chunk: Uint8Array): void {
    if (this.spec.terminationMessagePolicy !== 'FallbackToLogsOnError') return;
    this.#tail = Buffer.concat([this.#tail, chunk.subarray(-2048)]).subarray(-2048);
  }

  #fallbackMessage(exitCode: number): string | undefined {
    return exitCode !== 0 && this.#tail.length > 0 ? this.#tail.toString() : undefined;
  }
}
