import { type ErrorCode, ReceptorError } from '@receptor/protocol';

/** Codes of what went wrong on this side, or on the way. */
const OURS: ReadonlySet<ErrorCode> = new Set([
  'RECEPTOR_ABORTED',
  'RECEPTOR_ADDRESS_INVALID',
  'RECEPTOR_CONNECT_FAILED',
  'RECEPTOR_CONNECTION_LOST',
  'RECEPTOR_PARAMETER_INVALID',
  'RECEPTOR_PAYLOAD',
  'RECEPTOR_PROTOCOL',
] as const);

/** Whether an error is what the daemon answered; its message is then the text behind `ERROR: `. */
export function isAnswer(error: unknown): error is ReceptorError {
  return error instanceof ReceptorError && !OURS.has(error.code);
}
