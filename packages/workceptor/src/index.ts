export { type Logger, silentLogger } from './logger.js';
export { makeDirectory } from './make-directory.js';
export { UnitResults } from './results/unit-results.js';
export { shellSplit } from './shell-split.js';
export { Signer, type SignerOptions } from './signing/signer.js';
export { Verifier, type VerifierOptions } from './signing/verifier.js';
export type { Outcome } from './units/assignment.js';
export type { UnitEvent } from './units/following.js';
export type { Retention } from './units/pruning.js';
export { Submission } from './units/submission.js';
export {
  type SubmitRequest,
  type WorkCommand,
  Workceptor,
  type WorkceptorOptions,
} from './units/workceptor.js';
export type { Origin, Parameters, StatusChange, UnitHandle, Worker, WorkType } from './worker.js';
export {
  COMMAND_PARAMETERS,
  type CommandWorkTypeOptions,
  commandWorkType,
} from './workers/command/command-work-type.js';
export type { CommandExtraData } from './workers/command/command-worker.js';
export type { KubernetesExtraData } from './workers/kubernetes/extra-data.js';
export type { KubernetesWorkTypeOptions } from './workers/kubernetes/options.js';
export { KUBERNETES_PARAMETERS } from './workers/kubernetes/runtime-parameters.js';
export { type KubernetesEnvironment, kubernetesWorkType } from './workers/kubernetes/work-type.js';
export { type PythonWorkTypeOptions, pythonWorkType } from './workers/python/python-work-type.js';
export type { RemoteAccess } from './workers/remote/access.js';
export type { RemoteExtraData, RemoteRequest } from './workers/remote/extra-data.js';
export { ABILITIES } from './workers/remote/session.js';
