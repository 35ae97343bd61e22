import type { Problem } from '../config/item.js';
import type { Position } from '../config/raw.js';
import { nextStep } from '../next-steps.js';
import type { Findings } from './check.js';

/** What was found in a file, for a person or an editor: `FILE:LINE:COLUMN: message`, and what to do about it below. */
export function renderFindings(file: string, { problems, warnings, sections }: Findings): string {
  const counts = [count(problems.length, 'problem'), count(warnings.length, 'warning')].filter(Boolean);
  return [
    ...problems.map((problem) => render(problem, '')),
    ...warnings.map((problem) => render(problem, 'warning: ')),
    `${file}: ${counts.join(', ') || `no problems in ${count(sections, 'section') || 'an empty file'}`}\n`,
  ].join('');
}

function render({ message, at, hint }: Problem, kind: string): string {
  const step = hint ? hint.replace(/^, /, '') : nextStep(message);
  // Each stays one line, so that a line that begins with a file is a finding.
  return `${place(at)}${kind}${message.replaceAll('\n', ' ')}\n${step === undefined ? '' : `    ${step}\n`}`;
}

function place({ file, line, column }: Position): string {
  if (file === undefined) return '';
  return line === undefined ? `${file}: ` : `${file}:${line}:${column ?? 1}: `;
}

const count = (number: number, what: string): string =>
  number === 0 ? '' : `${number} ${what}${number === 1 ? '' : 's'}`;
