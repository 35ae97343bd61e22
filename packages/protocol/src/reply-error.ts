import { type ErrorCode, ReceptorError } from './errors.js';

/**
 * What an error text of a control service means: the first pattern that matches gives the code. A text of a
 * remote node stands within another (`could not parse response: ERROR: unknown work type x`), so a pattern may begin
 * after `ERROR: ` too. Whatever matches none is `RECEPTOR_REMOTE`.
 */
const PATTERNS: readonly (readonly [RegExp, ErrorCode])[] = [
  [
    /^(?:unknown work unit|Remote work unit is gone|error cancelling remote unit: +unknown work unit)\b/,
    'RECEPTOR_UNKNOWN_UNIT',
  ],
  [/^unknown work type\b/, 'RECEPTOR_UNKNOWN_WORK_TYPE'],
  [/^unknown command$/i, 'RECEPTOR_UNKNOWN_COMMAND'],
  [/^\S+(?: \S+)? provided but not allowed$/, 'RECEPTOR_PARAMETER_NOT_ALLOWED'],
  [/^time: (?:invalid|missing unit in|unknown unit .* in) duration /, 'RECEPTOR_DURATION_INVALID'],
  [
    /^(?:could not verify signature: |work type did not expect a signature$|token audience did not match|could not load (?:signing|verifying) key file|cannot sign work: )/,
    'RECEPTOR_SIGNATURE',
  ],
  [
    /^(?:bad command$|no work subcommand$|JSON did not contain a command$|command must be a string$)/,
    'RECEPTOR_BAD_COMMAND',
  ],
  [/^(?:invalid character '|unexpected end of JSON input$)/, 'RECEPTOR_BAD_COMMAND'],
  [
    /^field \S+ (?:missing$|must be a string$|value .* is not convertible to an? (?:int|bool)$)/s,
    'RECEPTOR_BAD_COMMAND',
  ],
  [/^(?:error converting start position to integer: |strconv\.ParseInt: )/, 'RECEPTOR_BAD_COMMAND'],
  [/^submit parameters must all be strings and /, 'RECEPTOR_BAD_COMMAND'],
  [/^work \S+ (?:requires a |does not take |only takes )/, 'RECEPTOR_BAD_COMMAND'],
  [/^status command does not take parameters$/, 'RECEPTOR_BAD_COMMAND'],
  [
    /^(?:requested_fields must be a list|each element of requested_fields must be a string)$/,
    'RECEPTOR_BAD_COMMAND',
  ],
  [
    /^(?:no (?:ping|traceroute|connect) target|(?:ping|traceroute) target must be string$)/,
    'RECEPTOR_BAD_COMMAND',
  ],
  [/^(?:too many parameters$|connect (?:target \S+|tls name) must be string$)/, 'RECEPTOR_BAD_COMMAND'],
];

/** What begins an error line. */
const PREFIX = /^ERROR: ?/;

/** Whether a reply line says that the command failed. */
export function isErrorLine(line: string): boolean {
  return line.startsWith('ERROR:');
}

/**
 * The error that a reply line `ERROR: <text>` speaks of, with `<text>` as its message (reference: control, 6).
 * @param line the line, with or without its newline and its `ERROR: `.
 * @param otherwise the code where the text has none of its own.
 */
export function errorFromReply(line: string, otherwise: ErrorCode = 'RECEPTOR_REMOTE'): ReceptorError {
  const message = line.trimEnd().replace(PREFIX, '');
  // The innermost text is the one that says what happened.
  const inner = message.split('ERROR: ').at(-1) ?? message;
  const [, code] = PATTERNS.find(([pattern]) => pattern.test(inner)) ?? [];
  return new ReceptorError(code ?? otherwise, message);
}
