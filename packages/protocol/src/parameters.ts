import { readFileSync } from 'node:fs';
import { RESERVED_PARAMETERS } from './commands.js';
import { ReceptorError } from './errors.js';

const invalid = (message: string, cause?: unknown) =>
  new ReceptorError('RECEPTOR_PARAMETER_INVALID', message, { cause });

/**
 * The parameters of a submit from `KEY=VALUE` words and the words after the work type, by receptorctl's rules
 * (reference: control, 10): a later key wins, further words are added to `params`, a value `@NAME` stands for the
 * text of that file, and `@@…` is sent as it is.
 * @throws ReceptorError `RECEPTOR_PARAMETER_INVALID`: no `=`, a reserved key, a file that is missing or unreadable
 */
export function workParameters(
  assignments: readonly string[],
  words: readonly string[] = [],
): Record<string, string> {
  const parameters = new Map<string, string>();
  for (const [index, assignment] of assignments.entries()) {
    const at = assignment.indexOf('=');
    if (at < 0)
      throw invalid(
        `dictionary update sequence element #${index} has length 1; 2 is required: write ${assignment}=VALUE`,
      );
    parameters.set(assignment.slice(0, at), assignment.slice(at + 1));
  }
  if (words.length > 0) {
    const before = parameters.get('params');
    parameters.set('params', [...(before ? [before] : []), ...words].join(' '));
  }
  for (const [key, value] of parameters) {
    if (RESERVED_PARAMETERS.has(key)) throw invalid(`Duplicate or illegal parameter ${key}`);
    if (value.startsWith('@') && !value.startsWith('@@')) parameters.set(key, textOf(value.slice(1)));
  }
  return Object.fromEntries(parameters);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw invalid(missing ? `${file} does not exist` : `could not read from file ${file}`, cause);
  }
}
