import { ReceptorError } from '@receptor/protocol';

/**
 * Splits a command line into words by the rules of a POSIX shell, without running one: single and double quotes,
 * backslash, `#` for a comment at the start of a word; no variables, globbing or operators (reference: work, 3).
 * @throws ReceptorError `RECEPTOR_PARAMETER_INVALID` when a quote is not closed or a backslash has nothing after it.
 */
export function shellSplit(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let at = 0;

  const fail = (what: string): ReceptorError =>
    new ReceptorError('RECEPTOR_PARAMETER_INVALID', `EOF found ${what}`);

  /** The part of a word from an opening quote to the closing one; leaves `at` on the latter. */
  function quoted(quote: string): string {
    let part = '';
    for (at++; at < line.length; at++) {
      const char = line.charAt(at);
      if (char === quote) return part;
      if (char === '\\' && quote === '"') {
        at++;
        if (at >= line.length) throw fail('after escape character');
      }
      part += line.charAt(at);
    }
    throw fail('when expecting closing quote');
  }

  for (; at < line.length; at++) {
    const char = line.charAt(at);
    if (char === ' ' || char === '\t' || char === '\r' || char === '\n') {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === "'" || char === '"') {
      word = (word ?? '') + quoted(char);
    } else if (char === '\\') {
      at++;
      if (at >= line.length) throw fail('after escape character');
      word = (word ?? '') + line.charAt(at);
    } else if (char === '#' && word === undefined) {
      while (at < line.length && line.charAt(at) !== '\n') at++;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}
