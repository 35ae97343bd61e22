import { afterEach, expect, it, vi } from 'vitest';
import { countBytes } from '../src/young-buffers.js';

afterEach(() => {
  vi.unstubAllGlobals();
});

it('has dead buffers freed after every megabyte, where the program allows it', () => {
  const gc = vi.fn();
  vi.stubGlobal('gc', gc);
  for (let bytes = 0; bytes < 10 << 20; bytes += 65_536) countBytes(65_536);
  expect(gc).toHaveBeenCalledTimes(10);
  expect(gc).toHaveBeenCalledWith({ type: 'minor' });
});

it('does without where it does not', () => {
  vi.stubGlobal('gc', undefined);
  expect(() => countBytes(2 << 20)).not.toThrow();
});
