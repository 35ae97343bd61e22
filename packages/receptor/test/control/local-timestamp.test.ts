import { afterEach, expect, it } from 'vitest';
import { localTimestamp } from '../../src/control/local-timestamp.js';

const zone = process.env.TZ;
afterEach(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

it.each([
  ['UTC', '2026-11-24T05:31:50.000Z', '2026-11-24T05:31:50Z'],
  ['UTC', '2026-11-24T05:31:54.390Z', '2026-11-24T05:31:54.39Z'],
  ['Europe/Berlin', '2026-11-24T23:31:54.007Z', '2026-11-25T00:31:54.007+01:00'],
  ['Asia/Kolkata', '2026-11-24T05:31:54.100Z', '2026-11-24T11:01:54.1+05:30'],
  ['America/St_Johns', '2026-11-24T02:31:54.120Z', '2026-11-23T23:01:54.12-03:30'],
])('in %s, %s is written %s', (name, instant, written) => {
  process.env.TZ = name;
  expect(localTimestamp(new Date(instant))).toBe(written);
});
