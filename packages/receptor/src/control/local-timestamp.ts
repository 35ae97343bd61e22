/** A time as Go writes it in JSON: RFC 3339 in the local zone, with the fraction as short as it can be. */
export function localTimestamp(time: Date): string {
  const east = -time.getTimezoneOffset();
  const local = new Date(time.getTime() + east * 60_000).toISOString().replace(/\.?0*Z$/, '');
  return local + zone(east);
}

/** {@link localTimestamp} of nanoseconds since 1970. */
export function localTimestampOf(nanoseconds: bigint): string {
  const fraction = ((nanoseconds % SECOND) + SECOND) % SECOND;
  const whole = localTimestamp(new Date(Number((nanoseconds - fraction) / 1_000_000n)));
  const digits = fraction.toString().padStart(9, '0').replace(/0+$/, '');
  return digits === '' ? whole : whole.replace(/(?<=:\d\d)(?=Z|[+-]\d\d:\d\d$)/, `.${digits}`);
}

const SECOND = 1_000_000_000n;

function zone(minutesEast: number): string {
  if (minutesEast === 0) return 'Z';
  const minutes = Math.abs(minutesEast);
  const two = (value: number) => String(Math.trunc(value)).padStart(2, '0');
  return `${minutesEast < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`;
}
