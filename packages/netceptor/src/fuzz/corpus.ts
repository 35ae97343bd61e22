import { readFileSync } from 'node:fs';

/** The captured dialogues of a package of this repository: fuzzing starts from what is really said. */
function readVectors(folder: string, name: string): unknown {
  return JSON.parse(
    readFileSync(new URL(`../../../${folder}/test/vectors/${name}.json`, import.meta.url), 'utf8'),
  );
}

function* membersOf(value: unknown): Generator<Record<string, unknown>> {
  if (value === null || typeof value !== 'object') return;
  if (!Array.isArray(value)) yield value as Record<string, unknown>;
  for (const member of Object.values(value)) yield* membersOf(member);
}

const MESSAGES = [
  'backend-framing',
  'data-messages',
  'handshake',
  'line-topology-ping-traceroute',
  'quic-streams',
  'routing-updates',
  'service-advertisements',
  'session-rejections',
];

/** Every captured mesh message; those of a type when one is given. */
export function capturedMessages(type?: number): Buffer[] {
  const found: Buffer[] = [];
  for (const name of MESSAGES)
    for (const member of membersOf(readVectors('netceptor', name)))
      if (typeof member.hex === 'string' && 'decoded' in member) found.push(Buffer.from(member.hex, 'hex'));
  return type === undefined ? found : found.filter((message) => message[0] === type);
}

/** The rules of every captured firewall, as JSON. */
export function capturedRules(): Buffer[] {
  return [...membersOf(readVectors('netceptor', 'firewall'))].flatMap(({ rules }) =>
    Array.isArray(rules) ? [Buffer.from(JSON.stringify(rules))] : [],
  );
}

/** Captured certificates as PEM: that of an authority, and one that it has signed. */
export function capturedCertificates(): string[] {
  return [...membersOf(readVectors('netceptor', 'certificates'))].flatMap(({ pem }) =>
    typeof pem === 'string' && pem.includes('BEGIN CERTIFICATE--') ? [pem] : [],
  );
}

const DIALOGUES = [
  'bad_input',
  'bad_json',
  'connect_errors',
  'ping',
  'results_json',
  'status_errors',
  'status_json_fields',
  'status_text',
  'submit_local_cat',
  'traceroute',
  'work_parse_errors',
];

/** Lines of the control protocol that a client has sent, or a node. */
export function capturedLines(direction: 'send' | 'recv'): Buffer[] {
  return DIALOGUES.flatMap((name) =>
    [...membersOf(readVectors('protocol', name))].flatMap(({ dir, text }) =>
      dir === direction && typeof text === 'string' ? [Buffer.from(text)] : [],
    ),
  );
}
