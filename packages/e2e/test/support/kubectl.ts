import { run } from '@receptor/e2e';

/** Runs kubectl on the cluster of KUBECONFIG. @throws Error when it fails */
export async function kubectl(args: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await run({ command: 'kubectl', prefix: [] }, args, { input });
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: exit code ${code}\n${stderr}`);
  return stdout.toString();
}
