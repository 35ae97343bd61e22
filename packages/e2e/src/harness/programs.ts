import { fileURLToPath } from 'node:url';

/** A program and the arguments that go before its own. */
export interface Program {
  readonly command: string;
  readonly prefix: readonly string[];
}

const ours = (path: string): Program => ({
  command: process.execPath,
  prefix: [fileURLToPath(new URL(`../../../${path}`, import.meta.url))],
});

/** Our daemon. */
export const receptor: Program = ours('receptor/bin/receptor.js');
/** Our command line. */
export const receptorctl: Program = ours('receptorctl/bin/receptorctl.js');
/** The simulator of Kubernetes. */
export const kubernetesSimulator: Program = ours('kubernetes-simulator/dist/main.js');

const named = (variable: string): Program | undefined => {
  const command = process.env[variable];
  return command ? { command, prefix: [] } : undefined;
};

/** A Go daemon, where `RECEPTOR_GO` names one. */
export const goReceptor: Program | undefined = named('RECEPTOR_GO');
/** The Python command line, where `RECEPTORCTL_PYTHON` names one. */
export const pythonReceptorctl: Program | undefined = named('RECEPTORCTL_PYTHON');
