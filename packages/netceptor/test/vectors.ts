import { readFileSync } from 'node:fs';

/** One captured message, with what the capture says about it. */
export interface Captured {
  readonly hex: string;
  readonly decoded?: {
    readonly type?: string;
    readonly body_text?: string;
    readonly hopsToLive?: number;
    readonly fromNodeHash?: string;
    readonly toNodeHash?: string;
    readonly fromService?: string;
    readonly toService?: string;
    readonly payload_hex?: string;
    readonly payload_text?: string;
  };
}

/** The content of a file of captured vectors. */
export function readVectors(name: string): { entries: Record<string, unknown>[] } {
  return JSON.parse(readFileSync(new URL(`vectors/${name}.json`, import.meta.url), 'utf8'));
}

/** Every captured message of all files, whatever depth it stands at. */
export function capturedMessages(): Captured[] {
  const found: Captured[] = [];
  const collect = (value: unknown): void => {
    if (value === null || typeof value !== 'object') return;
    if ('hex' in value && 'decoded' in value) found.push(value as Captured);
    for (const member of Object.values(value)) collect(member);
  };
  for (const name of [
    'backend-framing',
    'data-messages',
    'handshake',
    'line-topology-ping-traceroute',
    'routing-updates',
    'service-advertisements',
    'session-rejections',
  ])
    collect(readVectors(name));
  return found;
}
