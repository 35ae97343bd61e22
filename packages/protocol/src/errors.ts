/**
 * Every error code of Receptor for TypeScript, with what it means and what to do about it.
 * The reference page on errors is made from this table.
 */
export const ERROR_CODES = {
  RECEPTOR_ADDRESS_INVALID:
    'The address of a control service is not one of `unix:`, a path, `tcp://` or `tls://`.',
  RECEPTOR_BAD_COMMAND:
    'A control command is malformed: not valid JSON, a member missing or of the wrong type.',
  RECEPTOR_UNKNOWN_COMMAND: 'The control service does not know the command.',
  RECEPTOR_CONNECT_FAILED:
    'The control service could not be reached; is the daemon running, and the address right?',
  RECEPTOR_CONNECTION_LOST: 'The connection to the control service ended before the reply was complete.',
  RECEPTOR_PROTOCOL: 'The peer said something that is not the control protocol.',
  RECEPTOR_DURATION_INVALID: 'A duration is not in the form of Go, such as `1h20m30s` or `300ms`.',
  RECEPTOR_PARAMETER_INVALID:
    'A work parameter is malformed, given twice or reserved, or its `@file` cannot be read.',
  RECEPTOR_PAYLOAD: 'The payload of a submit could not be read; no unit was started.',
  RECEPTOR_REMOTE: 'The control service answered with an error that has no code of its own.',
  RECEPTOR_UNKNOWN_UNIT: 'There is no work unit of that ID on the node.',
  RECEPTOR_UNKNOWN_WORK_TYPE: 'The node offers no work type of that name.',
  RECEPTOR_PARAMETER_NOT_ALLOWED: 'The work type does not allow this parameter at run time.',
  RECEPTOR_SIGNATURE: 'A signature is missing, not expected, or could not be verified.',
  RECEPTOR_CONFIG_INVALID: 'The configuration is not valid; the message names the section and the field.',
  RECEPTOR_WORK_START_FAILED: 'The work unit could not be started.',
  RECEPTOR_ABORTED: 'The operation was cancelled by its AbortSignal.',
} as const;

/** A stable identifier of what went wrong; one of the keys of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * The one error class of all packages: a stable {@link ErrorCode} to branch on, a message in the words that
 * clients of the Go daemon match, and the cause where there is one.
 */
export class ReceptorError extends Error {
  override readonly name = 'ReceptorError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
