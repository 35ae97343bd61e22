import { ReceptorError } from '@receptor/protocol';
import type { WorkType } from '../../worker.js';
import { type CommandExtraData, CommandWorker } from '../command/command-worker.js';
import { pythonPlan } from './python-plan.js';

const GRACE_MS = 10_000;

/** A `work-python` section of the configuration. */
export interface PythonWorkTypeOptions {
  workType: string;
  /** The plugin: the name of an entry point of the group `receptor.worker`. */
  plugin: string;
  /** The function of it that is called. */
  function: string;
  /** What the function is given besides the payload. */
  config?: Readonly<Record<string, unknown>>;
  /** Milliseconds from SIGINT to SIGKILL when a unit is cancelled. Default: 10 000. */
  graceMs?: number;
}

/**
 * Makes a work type that calls a function of a Python plugin, by the program `receptor-python-worker` of PATH
 * (reference: work, 4). Submits cannot have parameters.
 */
export function pythonWorkType(options: PythonWorkTypeOptions): WorkType {
  const { plugin, config = {}, graceMs = GRACE_MS } = options;
  const plan = pythonPlan(`${plugin}:${options.function}`, config, graceMs);
  return {
    name: options.workType,
    verifiesSignature: false,
    async prepare(parameters): Promise<CommandExtraData> {
      if ((parameters.params ?? '') !== '')
        throw new ReceptorError('RECEPTOR_PARAMETER_NOT_ALLOWED', 'extra params provided but not allowed');
      return { Pid: 0, Params: '' };
    },
    createWorker: (unit) => new CommandWorker(unit, plan),
  };
}
