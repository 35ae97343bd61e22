import { malformed } from './message.js';

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;
const NANOSECONDS = 1_000_000_000n;

/** The first instant Go knows, year 1, which is what a missing time means. */
export const NO_TIME: bigint = BigInt(Date.parse('0001-01-01T00:00:00Z')) * 1_000_000n;

/** What can be written with a year of four digits. */
const FIRST = BigInt(Date.parse('0000-01-01T00:00:00Z')) * 1_000_000n;
const END = BigInt(Date.parse('+010000-01-01T00:00:00Z')) * 1_000_000n;

/**
 * Nanoseconds since 1970 of an RFC 3339 time, in any zone. One that is in another year than 0 to 9999 in UTC is refused.
 * @throws MeshError `RECEPTOR_MESH_MESSAGE`
 */
export function parseTimestamp(text: string): bigint {
  const match = RFC3339.exec(text);
  const milliseconds = match ? Date.parse(`${text.slice(0, 19)}Z`) : Number.NaN;
  // Date moves 30 February into March; Go refuses it.
  if (!match || Number.isNaN(milliseconds) || new Date(milliseconds).getUTCDate() !== Number(match[3]))
    throw malformed(`invalid time ${text.slice(0, 64)}`);
  const [, , , , hour, , , fraction = '', sign, zoneHours = '0', zoneMinutes = '0'] = match;
  if (Number(hour) > 23 || Number(zoneHours) > 23 || Number(zoneMinutes) > 59)
    throw malformed(`invalid time ${text.slice(0, 64)}`);
  const offset = (Number(zoneHours) * 60 + Number(zoneMinutes)) * (sign === '-' ? -60 : 60);
  const nanoseconds =
    (BigInt(milliseconds / 1000) - BigInt(offset)) * NANOSECONDS +
    BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  if (nanoseconds < FIRST || nanoseconds >= END) throw malformed(`invalid time ${text.slice(0, 64)}`);
  return nanoseconds;
}

/** An RFC 3339 time in UTC of one of the years 0 to 9999, without zeros at the end of its fraction, as Go writes it. */
export function formatTimestamp(nanoseconds: bigint): string {
  const fraction = ((nanoseconds % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  const seconds = Number((nanoseconds - fraction) / NANOSECONDS);
  const digits = fraction.toString().padStart(9, '0').replace(/0+$/, '');
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}${digits && `.${digits}`}Z`;
}
