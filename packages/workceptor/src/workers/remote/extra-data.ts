import { randomBytes } from 'node:crypto';

/** A time that stands for none, as Go writes it. */
const NO_TIME = '0001-01-01T00:00:00Z';

/** ExtraData of a remote unit (reference: work, 5): the first ten members are the Go daemon's. */
export interface RemoteExtraData {
  RemoteNode: string;
  RemoteWorkType: string;
  RemoteParams: Readonly<Record<string, string>>;
  /** Empty until the other node has given one. */
  RemoteUnitID: string;
  /** Whether the other node has the whole payload, and the unit runs there. */
  RemoteStarted: boolean;
  LocalCancelled: boolean;
  LocalReleased: boolean;
  SignWork: boolean;
  /** Empty for none. */
  TLSClient: string;
  /** When the unit fails if it has not been started; {@link NO_TIME} for never. */
  Expiration: string;
  /** By which a node of ours knows the submit again; absent in a unit of a Go daemon. */
  IdempotencyKey?: string;
  /** Whether the other node may have got the submit. */
  SubmitSent?: boolean;
  /** Whether a node that starts nothing before the end of the payload has not been told it. */
  EndWithheld?: boolean;
}

/** Where and how to reach the other node for a unit. */
export type RemoteTarget = Pick<RemoteExtraData, 'RemoteNode' | 'TLSClient' | 'SignWork'>;

/** A submit for another node. */
export interface RemoteRequest {
  node: string;
  workType: string;
  parameters: Readonly<Record<string, string>>;
  /** Names the TLS settings to use. */
  tlsClient?: string;
  /** Milliseconds in which the work has to be started. */
  ttlMs?: number;
  signWork?: boolean;
}

/** The ExtraData that a unit starts with. */
export function newExtraData(request: RemoteRequest): RemoteExtraData {
  const { node, workType, parameters, tlsClient = '', ttlMs, signWork = false } = request;
  return {
    RemoteNode: node,
    RemoteWorkType: workType,
    RemoteParams: { ...parameters },
    RemoteUnitID: '',
    RemoteStarted: false,
    LocalCancelled: false,
    LocalReleased: false,
    SignWork: signWork,
    TLSClient: tlsClient,
    Expiration: ttlMs === undefined ? NO_TIME : new Date(Date.now() + ttlMs).toISOString(),
    IdempotencyKey: randomBytes(16).toString('hex'),
  };
}

/** Reads what a status file has, from whatever daemon; what is missing or of a wrong type takes its zero value. */
export function readExtraData(value: unknown): RemoteExtraData {
  const members = isObject(value) ? value : {};
  const text = (name: string): string => (typeof members[name] === 'string' ? members[name] : '');
  const flag = (name: string): boolean => members[name] === true;
  const key = text('IdempotencyKey');
  return {
    RemoteNode: text('RemoteNode'),
    RemoteWorkType: text('RemoteWorkType'),
    RemoteParams: stringsOf(members.RemoteParams),
    RemoteUnitID: text('RemoteUnitID'),
    RemoteStarted: flag('RemoteStarted'),
    LocalCancelled: flag('LocalCancelled'),
    LocalReleased: flag('LocalReleased'),
    SignWork: flag('SignWork'),
    TLSClient: text('TLSClient'),
    Expiration: text('Expiration') || NO_TIME,
    ...(key && { IdempotencyKey: key }),
    ...(flag('SubmitSent') && { SubmitSent: true }),
    ...(flag('EndWithheld') && { EndWithheld: true }),
  };
}

/** As replies may show it: without secrets, and without what is of no use to others. */
export function redactExtraData(value: unknown): unknown {
  const { IdempotencyKey: _key, SubmitSent: _sent, EndWithheld: _end, ...shown } = readExtraData(value);
  return { ...shown, RemoteParams: withoutSecrets(shown.RemoteParams) };
}

/** Parameters that only go over TLS, and are never shown. */
export function isSecret(name: string): boolean {
  return name.toLowerCase().startsWith('secret_');
}

export function withoutSecrets(parameters: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => !isSecret(name)));
}

/** When a unit expires, in milliseconds since 1970; Infinity for never. */
export function expirationOf({ Expiration }: Pick<RemoteExtraData, 'Expiration'>): number {
  const time = Date.parse(Expiration);
  return Number.isNaN(time) || time < 0 ? Number.POSITIVE_INFINITY : time;
}

function stringsOf(value: unknown): Record<string, string> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
