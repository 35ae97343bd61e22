/**
 * A small Kubernetes API that runs pods as processes of this machine, for demonstrations and tests.
 *
 * @example
 * const cluster = await startSimulator();
 * writeFileSync('kubeconfig', cluster.kubeconfig());
 * cluster.faults.add('log', [{ cutAfter: 100 }, { cutAfter: 7 }]);
 * await cluster.close();
 */
export type { ForbidRule } from './access.js';
export type { Exit } from './container/execution.js';
export type { Script, ScriptIo, ScriptOutput, ScriptResult } from './container/script.js';
export type {
  AttachFault,
  Fault,
  FaultScope,
  Faults,
  LogFault,
  Operation,
  RecordedRequest,
  WatchFault,
} from './faults.js';
export type { KubeconfigOptions } from './identity.js';
export type { Clock } from './log/clock.js';
export { ContainerLog, type LogSettings } from './log/container-log.js';
export type { LogReadOptions } from './log/reader.js';
export type { ContainerSpec, KubeEvent, Pod } from './objects.js';
export type { EventText } from './pods/events.js';
export type { Pace, PodLife } from './pods/pod-life.js';
export type { PodSettings } from './pods/registry.js';
export { SCENARIO_ANNOTATION, SCENARIOS, type Scenario } from './pods/scenario.js';
export { refuse } from './refuse.js';
export { type Simulator, type SimulatorOptions, startSimulator } from './simulator.js';
