import type { Call } from '../call.js';
import type { ControlClient } from '../client/index.js';
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
  await using remote = node ? await reachService(() => client.through(node, { tls })) : undefined;
  const from: ControlClient = remote ?? client;
  const units = await from.list(unitId);
  if (!quiet) output.line(prettyJson(units));
  else for (const [id] of sortedEntries(units)) output.line(id);
  return 0;
}
