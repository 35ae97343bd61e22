import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ReceptorError } from './errors.js';

/**
 * Reads the work parameters of a command line as receptorctl does (reference: control, 10).
 * @param pairs each `KEY=VALUE`, split at the first `=`; of the same key the last one counts.
 * @param words more words, appended to the parameter `params` with single spaces.
 * @throws ReceptorError `RECEPTOR_PARAMETER_INVALID` when a pair has no `=`, in receptorctl's own words.
 */
export function parseParameters(
  pairs: readonly string[],
  words: readonly string[] = [],
): Record<string, string> {
  const parameters = new Map<string, string>();
  for (const [index, pair] of pairs.entries()) {
    const equals = pair.indexOf('=');
    if (equals < 0)
      throw new ReceptorError(
        'RECEPTOR_PARAMETER_INVALID',
        `dictionary update sequence element #${index} has length 1; 2 is required`,
      );
    parameters.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  if (words.length > 0) {
    const given = parameters.get('params');
    parameters.set('params', [...(given === undefined ? [] : [given]), ...words].join(' '));
  }
  return Object.fromEntries(parameters);
}

/**
 * Replaces each value `@NAME` by the text of the file NAME; a value that begins with `@@` stays as it is, with both
 * signs (reference: control, 10). Not done by the client itself: a value may come from someone who must not choose
 * a file. Unlike receptorctl's, the text is not changed (`\r\n` stays).
 * @param options.directory what file names are relative to; default: the working directory.
 * @throws ReceptorError `RECEPTOR_PARAMETER_INVALID`: `NAME does not exist`, or `could not read from file NAME` when
 *   it cannot be read or is not UTF-8.
 */
export async function expandParameters(
  parameters: Readonly<Record<string, string>>,
  options: { directory?: string; signal?: AbortSignal } = {},
): Promise<Record<string, string>> {
  const expanded: [string, string][] = [];
  for (const [key, value] of Object.entries(parameters))
    expanded.push([key, /^@(?!@)/.test(value) ? await readText(value.slice(1), options) : value]);
  return Object.fromEntries(expanded);
}

async function readText(
  name: string,
  options: { directory?: string; signal?: AbortSignal },
): Promise<string> {
  const path = resolve(options.directory ?? '', name);
  try {
    options.signal?.throwIfAborted();
    // An empty name would be the directory itself.
    if (name === '') throw new ReceptorError('RECEPTOR_PARAMETER_INVALID', `${name} does not exist`);
    await stat(path).catch((cause: unknown) => {
      throw new ReceptorError('RECEPTOR_PARAMETER_INVALID', `${name} does not exist`, { cause });
    });
    const bytes = await readFile(path, { signal: options.signal });
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    if (cause instanceof ReceptorError) throw cause;
    if (options.signal?.aborted)
      throw new ReceptorError('RECEPTOR_ABORTED', 'the operation was aborted', {
        cause: options.signal.reason,
      });
    throw new ReceptorError('RECEPTOR_PARAMETER_INVALID', `could not read from file ${name}`, { cause });
  }
}
