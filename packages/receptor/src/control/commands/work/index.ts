import type { WorkCommand } from '@receptor/protocol';
import type { Workceptor } from '@receptor/workceptor';
import type { CommandContext } from '../../command.js';
import { runFollow } from './follow.js';
import { runResults } from './results.js';
import { runSubmit } from './submit.js';
import { listReply, runEnd, unitStatusReply } from './units.js';

/** Runs a `work` command (reference: control, 6 to 8). */
export function runWork(
  workceptor: Workceptor,
  nodeId: string,
  command: WorkCommand,
  context: CommandContext,
): Promise<string | undefined> {
  switch (command.subcommand) {
    case 'submit':
      return runSubmit(workceptor, nodeId, command, context);
    case 'list':
      return listReply(workceptor, command);
    case 'status':
      return unitStatusReply(workceptor, command);
    case 'cancel':
    case 'release':
    case 'force-release':
      return runEnd(workceptor, command, context);
    case 'results':
      return runResults(workceptor, command, context);
    case 'follow':
      return runFollow(workceptor, command, context);
  }
}
