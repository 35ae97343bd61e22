/*
 * A node with a control command of its own, `uptime`: how long it has been running, in seconds, or in the unit that is
 * asked for. A command gets its line taken apart, in either of the two forms of the control protocol.
 *
 *   node control-command.js --node id=foo --control-service filename=/tmp/foo.sock
 *   printf 'uptime ms\n' | nc -UN /tmp/foo.sock
 */
import { ReceptorError } from '@receptor/protocol';
import { runNode } from './node.js';

const UNITS = { s: 1, ms: 1000 };

/** @type {import('@receptor/receptor').ControlCommand} */
const uptime = (line) => {
  const unit = (line.form === 'json' ? line.members.unit : line.parameters) || 's';
  // What is thrown is the reply, `ERROR: …`, and in the log.
  if (typeof unit !== 'string' || !Object.hasOwn(UNITS, unit))
    throw new ReceptorError('RECEPTOR_BAD_COMMAND', 'uptime is told in s or ms');
  return `${JSON.stringify({ Uptime: Math.floor(process.uptime() * UNITS[unit]), Unit: unit })}\n`;
};

await runNode({ commands: { uptime } });
