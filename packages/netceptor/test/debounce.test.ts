import { expect, it } from 'vitest';
import { Debounce } from '../src/debounce.js';
import { VirtualClock } from '../src/simulation/virtual-clock.js';

it('what takes long rests for longer before it is done again', async () => {
  const virtual = new VirtualClock();
  let taken = 0;
  const clock = {
    now: () => virtual.now() + taken,
    schedule: (delay: number, fire: () => void) => virtual.schedule(delay, fire),
  };
  const done: number[] = [];
  const debounce = new Debounce(clock, { soon: 5, apart: 100, rest: 10 }, () => {
    done.push(virtual.now());
    taken += done.length === 1 ? 2000 : 1;
  });
  const begun = virtual.now();
  for (let i = 0; i < 300; i++) {
    debounce.request();
    await virtual.advance(100);
  }
  const [first = 0, second = 0, third = 0] = done;
  expect(first - begun).toBe(5);
  // Ten times the 2 seconds that it took, of which those 2 have passed.
  expect(second - first).toBe(18_000);
  expect(third - second).toBeLessThanOrEqual(200);
});
