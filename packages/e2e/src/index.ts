export { DaemonEnded, type DaemonOptions, type DaemonProcess, startDaemon } from './harness/daemon.js';
export {
  goReceptor,
  kubernetesSimulator,
  type Program,
  pythonReceptorctl,
  receptor,
  receptorctl,
} from './harness/programs.js';
export { type Outcome, type RunOptions, run } from './harness/run.js';
export { temporaryDirectory } from './harness/temporary.js';
