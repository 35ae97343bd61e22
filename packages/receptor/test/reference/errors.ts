import { MESH_ERROR_CODES } from '@receptor/netceptor';
import { ERROR_CODES, type ErrorCode } from '@receptor/protocol';
import { QUIC_ERROR_CODES } from '@receptor/quic';
import { GENERATED, table } from './markdown.js';

/**
 * For each code a case in which a program meets it, and the message it gets. `errors.component.ts` brings each about.
 */
export const CASES: Readonly<Record<ErrorCode, { readonly when: string; readonly message: string }>> = {
  RECEPTOR_ADDRESS_INVALID: {
    when: 'A client is made for `http://localhost`.',
    message: 'Invalid socket address http://localhost',
  },
  RECEPTOR_BAD_COMMAND: {
    when: 'The line `ping` is given, without a target.',
    message: 'no ping target',
  },
  RECEPTOR_UNKNOWN_COMMAND: { when: 'The command `nosuch` is given.', message: 'Unknown command' },
  RECEPTOR_CONNECT_FAILED: {
    when: 'No daemon runs at the address.',
    message: 'Socket path does not exist: /nonexistent.sock',
  },
  RECEPTOR_CONNECTION_LOST: {
    when: 'The daemon is killed while it works on the command.',
    message: 'the connection to the control service ended before the reply was complete',
  },
  RECEPTOR_PROTOCOL: {
    when: 'What listens at the address is a mail server.',
    message: 'Failed to connect to Receptor socket',
  },
  RECEPTOR_DURATION_INVALID: {
    when: 'A duration is given as `1d`.',
    message: 'time: unknown unit "d" in duration "1d"',
  },
  RECEPTOR_PARAMETER_INVALID: {
    when: 'A parameter is `@nosuch.yml`, and there is no such file.',
    message: 'nosuch.yml does not exist',
  },
  RECEPTOR_PAYLOAD: {
    when: 'The stream that a payload is read from breaks.',
    message: 'could not read the payload: the disk is gone',
  },
  RECEPTOR_REMOTE: {
    when: 'A daemon answers with an error that is not known here.',
    message: 'the moon is full',
  },
  RECEPTOR_UNKNOWN_UNIT: {
    when: 'The status of a unit that was released is asked for.',
    message: 'unknown work unit nosuch',
  },
  RECEPTOR_UNKNOWN_WORK_TYPE: {
    when: 'A submission names a work type that no section declares.',
    message: 'unknown work type nosuch',
  },
  RECEPTOR_PARAMETER_NOT_ALLOWED: {
    when: 'A submission has `params`, and its work type no `allowruntimeparams`.',
    message: 'extra params provided but not allowed',
  },
  RECEPTOR_SIGNATURE: {
    when: 'A submission is signed, and its work type does not verify signatures.',
    message: 'work type did not expect a signature',
  },
  RECEPTOR_CONFIG_INVALID: {
    when: 'A section is misspelt on the command line.',
    message: 'command error: unknown config type tcp-listner, did you mean "tcp-listener"?',
  },
  RECEPTOR_WORK_START_FAILED: {
    when: 'A unit is cancelled while its payload is on the way.',
    message: 'work unit ID was cancelled before it started',
  },
  RECEPTOR_ABORTED: {
    when: 'The `AbortSignal` of a call is aborted.',
    message: 'the operation was aborted',
  },
};

/** The text of docs/reference/errors.md. */
export const errorsPage = (): string => `# Error codes

${GENERATED}

Every error that \`@receptor/protocol\`, work and the daemon throw is a \`ReceptorError\` with one of these in \`code\`, which does not change
from version to version. Its \`message\` is in the words of the Go daemon, which existing programs match; \`cause\` has what was underneath, where there
is something. A daemon answers with the message alone (\`ERROR: message\`), and \`@receptor/protocol\` gives the code back to it.
What to do next stands in a line \`Hint: …\` of its own, where a daemon does not start and where \`receptorctl\` writes to a terminal.

${table(
  ['code', 'meaning', 'for example', 'says'],
  Object.entries(ERROR_CODES).map(([code, help]) => {
    const { when, message } = CASES[code as ErrorCode];
    return [`\`${code}\``, help, when, `\`${message}\``];
  }),
)}
## Of the mesh

\`@receptor/netceptor\`, which knows nothing of work, throws a \`MeshError\` in the same manner. Where one comes to a client of the daemon, it has
become a \`ReceptorError\`, such as \`RECEPTOR_CONNECT_FAILED\` of \`connect\`.

${codes(MESH_ERROR_CODES)}
## Of a stream

A stream of the mesh that is open and ends before it is complete has a \`QuicError\` on it.

${codes(QUIC_ERROR_CODES)}`;

const codes = (meanings: Readonly<Record<string, string>>): string =>
  table(
    ['code', 'meaning'],
    Object.entries(meanings).map(([code, help]) => [`\`${code}\``, help]),
  );
