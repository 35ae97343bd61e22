import { readFileSync } from 'node:fs';

/** One event of a captured dialogue, as the client saw it. */
export interface Step {
  dir: 'send' | 'recv' | 'send-eof' | 'recv-eof' | 'timeout' | 'close';
  text?: string;
}

/** A captured dialogue with the Go daemon. */
export function steps(name: string): Step[] {
  return vector(name).steps as Step[];
}

/** A file of captured dialogues. */
function vector(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(`vectors/${name}.json`, import.meta.url), 'utf8'));
}

/** A dialogue as pairs of what was sent and what came back; both may be several lines. */
export function exchanges(name: string): { sent: string; received: string }[] {
  const pairs: { sent: string; received: string }[] = [];
  for (const step of steps(name)) {
    if (step.dir === 'send') pairs.push({ sent: step.text ?? '', received: '' });
    const last = pairs.at(-1);
    if (step.dir === 'recv' && last !== undefined) last.received += step.text ?? '';
  }
  return pairs;
}
