import { type ErrorCode, ReceptorError } from './errors.js';

/** What a daemon's error texts begin with or contain, in the order in which they are tried (reference: control, 6). */
const PATTERNS: ReadonlyArray<readonly [RegExp, ErrorCode]> = [
  [/^unknown command$/i, 'RECEPTOR_UNKNOWN_COMMAND'],
  [/unknown work unit /, 'RECEPTOR_UNKNOWN_UNIT'],
  [/unknown work type /, 'RECEPTOR_UNKNOWN_WORK_TYPE'],
  [/provided but not allowed$/, 'RECEPTOR_PARAMETER_NOT_ALLOWED'],
  [/signature|token audience/, 'RECEPTOR_SIGNATURE'],
  [/^time: /, 'RECEPTOR_DURATION_INVALID'],
  [
    /^(field |submit parameters must|bad command|work \w+(-\w+)? (requires|does not|only)|JSON did not)/,
    'RECEPTOR_BAD_COMMAND',
  ],
];

/**
 * The error that a reply line stands for; undefined when the line is no error. The message is the daemon's text
 * without `ERROR: `; a text that is not known gets the code `RECEPTOR_REMOTE`.
 */
export function errorOfReply(line: string): ReceptorError | undefined {
  if (!line.startsWith('ERROR:')) return undefined;
  const text = line.slice('ERROR:'.length).trim();
  const code = PATTERNS.find(([pattern]) => pattern.test(text))?.[1] ?? 'RECEPTOR_REMOTE';
  return new ReceptorError(code, text);
}
