import { ReceptorError } from '@receptor/protocol';
import type { WorkType } from '../../worker.js';
import { type CommandExtraData, CommandWorker, plainCommand } from './command-worker.js';

const GRACE_MS = 10_000;

/** A `work-command` section of the configuration. */
export interface CommandWorkTypeOptions {
  workType: string;
  /** A path, or a name that is looked up in PATH. */
  command: string;
  /** Parameters that every unit gets, split by the rules of a shell. */
  params?: string;
  /** Whether a submit may add parameters of its own. Default: no. */
  allowRuntimeParams?: boolean;
  /** Default: no. */
  verifySignature?: boolean;
  /** See {@link WorkType.maxRunning}. */
  maxRunning?: number;
  /** Milliseconds from SIGINT to SIGKILL when a unit is cancelled. Default: 10 000. */
  graceMs?: number;
}

/** What a submit may say about its command, what that is, and the option of the work type that allows it. */
export const COMMAND_PARAMETERS = {
  params: {
    allowedBy: 'allowRuntimeParams',
    help: 'Parameters of the command, after those of the section; split as a shell does',
  },
} as const satisfies Readonly<
  Record<string, { readonly allowedBy: keyof CommandWorkTypeOptions; readonly help: string }>
>;

/** Makes a work type that runs a command (reference: work, 3). */
export function commandWorkType(options: CommandWorkTypeOptions): WorkType {
  const {
    workType,
    command,
    params = '',
    allowRuntimeParams = false,
    graceMs = GRACE_MS,
    maxRunning,
  } = options;
  const plan = plainCommand(command, graceMs);
  return {
    name: workType,
    verifiesSignature: options.verifySignature ?? false,
    ...(maxRunning === undefined ? {} : { maxRunning }),
    async prepare(parameters): Promise<CommandExtraData> {
      const extra = parameters.params ?? '';
      if (extra !== '' && !allowRuntimeParams) {
        throw new ReceptorError('RECEPTOR_PARAMETER_NOT_ALLOWED', 'extra params provided but not allowed');
      }
      return { Pid: 0, Params: [params, extra].filter((part) => part !== '').join(' ') };
    },
    createWorker: (unit) => new CommandWorker(unit, plan),
  };
}
