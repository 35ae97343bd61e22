import { interpretCommand } from '@receptor/protocol';
import type { Logger, Verifier, Workceptor } from '@receptor/workceptor';
import type { ControlCommand } from '../command.js';
import type { NodeView } from '../node-view.js';
import { runConnect } from './connect.js';
import { pingReply } from './ping.js';
import { type Reload, reloadReply } from './reload.js';
import { StatusReplies } from './status.js';
import { tracerouteReply } from './traceroute.js';
import { runWork } from './work/index.js';

/** What Receptor's own commands work on. */
export interface CommandSubjects {
  readonly node: NodeView;
  readonly workceptor: Workceptor;
  readonly verifier: Pick<Verifier, 'verify'>;
  readonly reload: Reload;
  readonly log: Logger;
}

/** Makes the commands that every node has (reference: control, 2 to 8). */
export function receptorCommands(subjects: CommandSubjects): ControlCommand {
  const { node, workceptor, verifier, reload, log } = subjects;
  const status = new StatusReplies(node);
  return (line, context) => {
    const command = interpretCommand(line);
    switch (command.command) {
      case 'status':
        return status.reply(command);
      case 'ping':
        return pingReply(node, command, context.signal);
      case 'traceroute':
        return tracerouteReply(node, command, context.signal);
      case 'connect':
        return runConnect(node, command, context);
      case 'reload':
        return reloadReply(reload, log);
      case 'work':
        return runWork({ workceptor, verifier, nodeId: node.snapshot.nodeId }, command, context);
    }
  };
}
