#!/usr/bin/env node
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startSimulator } from './simulator.js';

const HELP = `Usage: node main.js --kubeconfig FILE [--port PORT] [--namespace NAME]...

Starts a simulated Kubernetes API on the loopback interface, writes a kubeconfig that leads to it, and runs pods as
processes of this machine until it gets SIGINT or SIGTERM. It is no Kubernetes: it isolates nothing.
`;

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      kubeconfig: { type: 'string' },
      port: { type: 'string', default: '0' },
      namespace: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  if (values.kubeconfig === undefined) throw new Error('--kubeconfig is required: the file to write');
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new Error(`--port must be a number from 0 to 65535, not ${JSON.stringify(values.port)}`);
  // Heard from the first moment on, so that nothing is left behind whenever it comes.
  const asked = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  const cluster = await startSimulator({ port, namespaces: values.namespace });
  try {
    writeFileSync(values.kubeconfig, cluster.kubeconfig(), { mode: 0o600 });
    process.stdout.write(
      `Kubernetes simulator (not a real cluster) at ${cluster.url}, kubeconfig ${values.kubeconfig}\n`,
    );
    await asked;
  } finally {
    await cluster.close();
  }
};

main().catch((error: unknown) => {
  process.stderr.write(`kubernetes-simulator: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
