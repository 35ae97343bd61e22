import { isComplete, WorkState } from '@receptor/protocol';
import { errorText } from '../../error-text.js';
import { shellSplit } from '../../shell-split.js';
import type { UnitHandle, Worker } from '../../worker.js';
import { describeExit, type Exit } from './exit-detail.js';
import { childOf, hasStartedCommand, isGoRunnerOf, isRunnerOf, killOrphans, signal } from './processes.js';
import { resolveCommand } from './resolve-command.js';
import { type RunnerRecord, readRunnerRecord, spawnRunner } from './runner.js';
import { Vigil } from './vigil.js';

/** A command that has ended by then is never shown as Running, which saves it a status write. */
const REPORT_RUNNING_MS = 100;
/** A runner that has made its record writes its number into it at once; this is how long it may take. */
const RECORD_TRIES = 100;
const RECORD_RETRY_MS = 20;
/** How long a command that is to be interrupted may take to be there. */
const INTERRUPT_TRIES = 20;
const INTERRUPT_RETRY_MS = 10;
/** How long a killed process may take to be gone; longer where it hangs in the kernel. */
const KILL_MS = 10_000;
/** How often a runner that is no child of ours is looked after while its end is awaited. */
const LOOK_MS = 20;
/** What a Go runner needs beyond the time of grace, which it measures itself. */
const GO_GRACE_MS = 2000;

const RUNNER_VANISHED = 'Command runner ended without recording an exit status';
const RUNNER_SILENT = 'Command runner could not make its record, and has not run the command';

/** A command unit's ExtraData; the first two members are the Go daemon's. */
export interface CommandExtraData {
  /** The runner's process while it lives, 0 before; it leads the process group of the command. */
  Pid?: number;
  Params: string;
  /** After the end: the command's exit status, 128 + n where signal n killed it. */
  ExitCode?: number;
  /** After the end: the signal that killed the command, such as `SIGKILL`. */
  Signal?: string;
}

/** What a unit's command is, and what its end means. */
export interface CommandPlan {
  /** Milliseconds from SIGINT to SIGKILL. */
  readonly graceMs: number;
  /**
   * The command and its arguments; called before every start, of which only the first runs anything.
   * @throws Error why there is none; the unit fails with its message
   */
  command(unit: UnitHandle, params: string): Promise<readonly string[]>;
  /** The unit's Detail while it runs. Default: the number of its process. */
  readonly runningDetail?: string;
  /** How the unit ended. Default: as the exit status says. */
  describeExit?(unit: UnitHandle, exit: Exit): Promise<Pick<Exit, 'state' | 'detail'>>;
}

/** A command that is run with the parameters of the unit. */
export function plainCommand(command: string, graceMs: number): CommandPlan {
  return {
    graceMs,
    async command(_unit, params) {
      const words = shellSplit(params);
      return [resolveCommand(command, process.env.PATH ?? ''), ...words];
    },
  };
}

/** The process a unit depends on: a runner that is our child, one of an earlier daemon, or one of a Go daemon. */
interface Runner {
  pid: number;
  kind: 'child' | 'sh' | 'go';
}

/** Runs a command for one unit (reference: work, 3). */
export class CommandWorker implements Worker {
  readonly #unit: UnitHandle;
  readonly #plan: CommandPlan;
  #runner: Runner | undefined;
  /** Lets go of the runner, without ending it. */
  #letGo: (() => void) | undefined;
  /** Looks whether the runner has ended, where that is no event. */
  #look: (() => void) | undefined;
  #cancelling = false;
  /** Set once the runner is seen to have ended; resolves when the final state is written. */
  #finishing: Promise<void> | undefined;
  #ended: () => void = () => undefined;
  #end: Promise<void> = Promise.resolve();

  constructor(unit: UnitHandle, plan: CommandPlan) {
    this.#unit = unit;
    this.#plan = plan;
  }

  async start(): Promise<void> {
    let command: readonly string[];
    try {
      command = await this.#plan.command(this.#unit, this.#params);
    } catch (error) {
      await this.#unit.update({ state: WorkState.Failed, detail: errorText(error) });
      return;
    }
    await this.#launch(command);
  }

  async resume(): Promise<void> {
    const { directory, status } = this.#unit;
    const record = await this.#recordWithPid();
    if (record?.pid !== undefined) {
      this.#adopt({ pid: record.pid, kind: 'sh' });
      return;
    }
    if (record) {
      await this.#fail(record.message || RUNNER_VANISHED);
      return;
    }
    const goPid = (status.ExtraData as Partial<CommandExtraData> | null)?.Pid ?? 0;
    if (goPid > 0 && (await isGoRunnerOf(goPid, directory))) {
      this.#adopt({ pid: goPid, kind: 'go' });
    } else if (status.State === WorkState.Pending && status.Detail === 'Starting Worker') {
      // Should a runner have been spawned that is not yet seen, one of the two finds the record taken and ends.
      await this.start();
    } else {
      await this.#fail(status.State === WorkState.Pending ? 'Pending at restart' : RUNNER_VANISHED);
    }
  }

  async cancel(): Promise<void> {
    await this.#finishing;
    if (isComplete(this.#unit.status.State)) return;
    this.#cancelling = true;
    if (this.#runner) await this.#endRunner(this.#runner);
    this.#letGo?.();
    await this.#unit.update({
      state: WorkState.Canceled,
      detail: 'Canceled',
      extraData: { Params: this.#params },
    });
  }

  async release(): Promise<void> {
    this.#letGo?.();
  }

  async detach(): Promise<void> {
    this.#letGo?.();
    await this.#finishing;
  }

  get #params(): string {
    return (this.#unit.status.ExtraData as Partial<CommandExtraData> | null)?.Params ?? '';
  }

  async #launch(command: readonly string[]): Promise<void> {
    const child = await spawnRunner(this.#unit.directory, command, (code, signalName) => {
      clearTimeout(running);
      this.#afterEnd(() => this.#settleChild(child.pid, code, signalName));
    });
    this.#attend({ pid: child.pid, kind: 'child' });
    const running = setTimeout(() => this.#reportRunning(child.pid), REPORT_RUNNING_MS).unref();
    this.#letGo = () => {
      clearTimeout(running);
      child.letGo();
    };
  }

  #reportRunning(pid: number): void {
    const detail = this.#plan.runningDetail ?? `Running: PID ${childOf(pid) ?? pid}`;
    const extraData: CommandExtraData = { Pid: pid, Params: this.#params };
    void this.#unit.update({ state: WorkState.Running, detail, extraData }).catch(() => undefined);
  }

  /** Writes how the unit ended, whose runner was our child and is gone. */
  async #settleChild(pid: number, code: number | null, signalName: NodeJS.Signals | null): Promise<void> {
    // 0 can only be the command's; any other status the shell may have given for itself.
    if (code === 0) return this.#finish({ message: '' }, 0);
    const record = await readRunnerRecord(this.#unit.directory);
    if (record?.pid !== undefined && record.pid !== pid) {
      this.#adopt({ pid: record.pid, kind: 'sh' });
      return;
    }
    const exitStatus = record?.exitStatus ?? (record?.pid === undefined ? undefined : (code ?? undefined));
    if (record && exitStatus !== undefined) return this.#finish(record, exitStatus);
    // Without its runner nobody would learn how the command ends: it is not left running.
    signal(-pid, 'SIGKILL');
    const by = signalName ? ` (${signalName})` : '';
    await this.#fail(record ? record.message || `${RUNNER_VANISHED}${by}` : `${RUNNER_SILENT}${by}`);
  }

  /** Follows a runner that an earlier process of the daemon has started. */
  #adopt(runner: Runner): void {
    this.#finishing = undefined;
    this.#attend(runner);
    const vigil = new Vigil(this.#unit.directory, () =>
      runner.kind === 'go' ? this.#checkGoRunner(runner.pid) : this.#checkRunner(runner.pid),
    );
    this.#letGo = () => vigil.close();
    this.#look = () => vigil.look();
  }

  async #checkRunner(pid: number): Promise<boolean> {
    const { directory, status } = this.#unit;
    // Asked before reading: what a dead runner has not written it never will.
    const alive = await isRunnerOf(pid, directory);
    const record = await readRunnerRecord(directory);
    if (record?.exitStatus !== undefined) {
      const exitStatus = record.exitStatus;
      this.#afterEnd(() => this.#finish(record, exitStatus));
      return true;
    }
    if (!alive) {
      killOrphans(pid, this.#unit.stdoutPath);
      this.#afterEnd(() => this.#fail(record?.message || RUNNER_VANISHED));
      return true;
    }
    if (status.State === WorkState.Pending) this.#reportRunning(pid);
    return false;
  }

  async #checkGoRunner(pid: number): Promise<boolean> {
    const alive = await isGoRunnerOf(pid, this.#unit.directory);
    if (!this.#cancelling) await this.#unit.refresh().catch(() => undefined);
    if (alive) return false;
    this.#afterEnd(() => this.#fail(RUNNER_VANISHED));
    return true;
  }

  #attend(runner: Runner): void {
    this.#runner = runner;
    this.#end = new Promise((resolve) => {
      this.#ended = resolve;
    });
  }

  /** The runner is gone: says so, and writes the final state unless a cancel is about to. */
  #afterEnd(settle: () => Promise<void>): void {
    if (!this.#cancelling) {
      this.#finishing = settle().catch((error: unknown) => {
        this.#unit.log.error(`Error ending unit ${this.#unit.id}: ${errorText(error)}`);
      });
    }
    this.#ended();
  }

  async #finish(record: Pick<RunnerRecord, 'message'>, exitStatus: number): Promise<void> {
    const exit = describeExit(record, exitStatus);
    const { exitCode, signal } = exit;
    const { state, detail } = (await this.#plan.describeExit?.(this.#unit, exit)) ?? exit;
    const extraData: CommandExtraData = { Params: this.#params, ExitCode: exitCode };
    if (signal !== undefined) extraData.Signal = signal;
    await this.#unit.update({ state, detail, extraData });
  }

  async #fail(detail: string): Promise<void> {
    await this.#unit.update({ state: WorkState.Failed, detail, extraData: { Params: this.#params } });
  }

  /** SIGINT to all of the command's process group, SIGKILL to what is left of it. */
  async #endRunner({ pid, kind }: Runner): Promise<void> {
    // A child's number is nobody else's before its end is seen, and for a moment it has no arguments to be known by.
    const isRunner = kind === 'go' ? isGoRunnerOf : isRunnerOf;
    if (kind !== 'child' && !(await isRunner(pid, this.#unit.directory))) return;
    if (kind === 'go') signal(pid, 'SIGINT');
    else await this.#interrupt(pid);
    // A Go runner passes the signal on by itself, and gives the command as long as we do.
    if (!(await this.#endedWithin(kind === 'go' ? this.#plan.graceMs + GO_GRACE_MS : this.#plan.graceMs))) {
      this.#unit.log.warning(`timed out waiting for pid ${pid} to terminate with SIGINT`);
      signal(-pid, 'SIGKILL');
      if (!(await this.#endedWithin(KILL_MS))) throw new Error(`process ${pid} does not end`);
    }
    signal(-pid, 'SIGKILL');
  }

  /** SIGINT to the process group; once more while the runner, which catches it, has yet to start the command. */
  async #interrupt(pid: number): Promise<void> {
    for (let attempt = 1; attempt <= INTERRUPT_TRIES; attempt++) {
      const started = await hasStartedCommand(pid, this.#unit.directory);
      signal(-pid, 'SIGINT');
      if (started || (await this.#endedWithin(INTERRUPT_RETRY_MS))) return;
    }
  }

  async #endedWithin(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), ms);
    });
    const looking = setInterval(() => this.#look?.(), LOOK_MS);
    const ended = await Promise.race([this.#end.then(() => true), late]);
    clearInterval(looking);
    clearTimeout(timer);
    return ended;
  }

  /** The record, once its runner has had the time to write its number into it. */
  async #recordWithPid(): Promise<RunnerRecord | undefined> {
    for (let attempt = 1; ; attempt++) {
      const record = await readRunnerRecord(this.#unit.directory);
      if (!record || record.pid !== undefined || attempt === RECORD_TRIES) return record;
      await new Promise((resolve) => setTimeout(resolve, RECORD_RETRY_MS));
    }
  }
}
