const STAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/;

/** Nanoseconds since the epoch of an RFC 3339 stamp with any number of digits and any zone; undefined for anything else. */
export function parseStamp(text: string): bigint | undefined {
  const match = STAMP.exec(text);
  if (!match) return undefined;
  const [, seconds, fraction = '', zone] = match;
  const ms = Date.parse(`${seconds}${zone}`);
  if (Number.isNaN(ms)) return undefined;
  return BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}

/** The `sinceTime` that is sure to include everything from `nanoseconds` on: whole seconds are all that reaches the kubelet. */
export function sinceTime(nanoseconds: bigint): string {
  const seconds = nanoseconds / 1_000_000_000n;
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}Z`;
}
