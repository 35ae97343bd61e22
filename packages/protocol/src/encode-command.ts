import type { Command } from './commands.js';
import { ReceptorError } from './errors.js';

/**
 * Writes a command as one line, its newline included. Where the text form can say it, it is the line that the
 * Python receptorctl sends; otherwise JSON, with members in receptorctl's order (reference: control, 10).
 * @throws ReceptorError `RECEPTOR_PARAMETER_INVALID` when a parameter of a submit has the name of a member that is
 *   set already: `command`, `subcommand`, `node`, `worktype`, or one of `tlsclient`, `ttl`, `signwork`, `signature`,
 *   `idempotencykey`, `thenfollow` in use.
 */
export function encodeCommand(command: Command): string {
  return `${encodeText(command) ?? JSON.stringify(encodeMembers(command))}\n`;
}

/** One word of a text command: a space would split it, and a line end would begin another command. */
function isWord(text: string): boolean {
  return /^[^ \r\n]+$/.test(text);
}

function encodeText(command: Command): string | undefined {
  switch (command.command) {
    case 'status':
      return command.requestedFields === undefined ? 'status' : undefined;
    case 'reload':
      return 'reload';
    case 'ping':
    case 'traceroute':
      return /^[^\r\n]*$/.test(command.target) ? `${command.command} ${command.target}` : undefined;
    case 'connect': {
      const { node, service, tls = '' } = command;
      return isWord(node) && isWord(service) && (tls === '' || isWord(tls))
        ? `connect ${node} ${service} ${tls}`
        : undefined;
    }
    case 'work': {
      if (command.subcommand === 'submit') return undefined;
      if (command.unitId === undefined) return `work ${command.subcommand}`;
      if (!isWord(command.unitId) || ('signature' in command && command.signature !== undefined))
        return undefined;
      const words = `work ${command.subcommand} ${command.unitId}`;
      return command.subcommand === 'results' || command.subcommand === 'follow'
        ? `${words} ${command.startPos}`
        : words;
    }
  }
}

function encodeMembers(command: Command): Readonly<Record<string, unknown>> {
  switch (command.command) {
    case 'status':
      return { command: 'status', requested_fields: command.requestedFields };
    case 'work':
      if (command.subcommand === 'submit') {
        const {
          command: name,
          subcommand,
          node,
          workType,
          tlsClient,
          ttl,
          signWork,
          signature,
          idempotencyKey,
          thenFollow,
        } = command;
        const members = {
          ...{ command: name, subcommand, node, worktype: workType },
          ...(tlsClient !== undefined && { tlsclient: tlsClient }),
          ...(ttl !== undefined && { ttl }),
          ...(signWork && { signwork: 'true' }),
          ...(signature !== undefined && { signature }),
          ...(idempotencyKey !== undefined && { idempotencykey: idempotencyKey }),
          ...(thenFollow && { thenfollow: 'true' }),
        };
        const twice = Object.keys(command.parameters).find((key) => Object.hasOwn(members, key));
        if (twice !== undefined)
          throw new ReceptorError('RECEPTOR_PARAMETER_INVALID', `Duplicate or illegal parameter ${twice}`);
        return { ...members, ...command.parameters };
      } else {
        const { command: name, subcommand, unitId } = command;
        return {
          ...{ command: name, subcommand, unitid: unitId },
          ...('startPos' in command && { startpos: command.startPos }),
          ...('signature' in command && { signature: command.signature }),
        };
      }
    default:
      return { ...command };
  }
}
