import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Expiring } from '../../src/services/expiring.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('what expires', () => {
  const expiring = (limit = 10) => {
    const gone: string[] = [];
    return { gone, entries: new Expiring<string>(1000, limit, (value) => gone.push(value)) };
  };

  it('is made once, and let go when nobody has used it for long', () => {
    const { gone, entries } = expiring();
    expect(entries.use('a', () => 'first')).toBe('first');
    entries.use('b', () => 'other');
    vi.advanceTimersByTime(800);
    expect(entries.use('a', () => 'second')).toBe('first');
    vi.advanceTimersByTime(800);
    expect(gone).toEqual(['other']);
    vi.advanceTimersByTime(800);
    expect(gone).toEqual(['other', 'first']);
    expect(entries.use('a', () => 'second')).toBe('second');
  });

  it('leaves no timer behind', () => {
    const { entries } = expiring();
    entries.use('a', () => 'a');
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(2000);
    expect([entries.size, vi.getTimerCount()]).toEqual([0, 0]);
    entries.use('a', () => 'a');
    entries.clear();
    expect([entries.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('makes way, the longest resting first, when there are too many', () => {
    const { gone, entries } = expiring(2);
    for (const key of ['a', 'b', 'a', 'c']) entries.use(key, () => key);
    expect(gone).toEqual(['b']);
  });

  it('is let go of only by who has it', () => {
    const { gone, entries } = expiring();
    entries.use('a', () => 'a');
    entries.delete('a', 'an earlier one');
    expect(gone).toEqual([]);
    entries.delete('a', 'a');
    expect(gone).toEqual(['a']);
  });
});
