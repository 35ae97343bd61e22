import type { Call } from '../call.js';
import { reachService } from '../mesh-service.js';
import { prettyJson, sortedEntries } from '../python.js';

interface Values {
  quiet: boolean;
  node: string | undefined;
  unitId: string | undefined;
  tlsClient: string | undefined;
}

export async function run({ client, output }: Call, values: Values): Promise<number> {
  const { quiet, node, unitId, tlsClient: tls = '' } = values;
  const from = node ? client.through(node, { tls }) : client;
  // A daemon's refusal to connect reads otherwise than a refusal to list.
  if (node) await reachService(() => from.connect());
  const units = await from.workList(unitId ? { unitId } : {});
  if (!quiet) output.line(prettyJson(units));
  else for (const [id] of sortedEntries(units)) output.line(id);
  return 0;
}
