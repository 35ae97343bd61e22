import type { WorkCommand } from '@receptor/protocol';
import type { CommandContext } from '../../command.js';
import { runFollow } from './follow.js';
import { runResults } from './results.js';
import type { WorkSubjects } from './signature.js';
import { runSubmit } from './submit.js';
import { listReply, runEnd, unitStatusReply } from './units.js';

/** Runs a `work` command (reference: control, 6 to 8). */
export function runWork(
  subjects: WorkSubjects,
  command: WorkCommand,
  context: CommandContext,
): Promise<string | undefined> {
  switch (command.subcommand) {
    case 'submit':
      return runSubmit(subjects, command, context);
    case 'list':
      return listReply(subjects, command);
    case 'status':
      return unitStatusReply(subjects, command);
    case 'cancel':
    case 'release':
    case 'force-release':
      return runEnd(subjects, command, context);
    case 'results':
      return runResults(subjects, command, context);
    case 'follow':
      return runFollow(subjects, command, context);
  }
}
