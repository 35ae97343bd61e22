import { setMaxListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { apiHabits } from '../../src/workers/kubernetes/environment.js';
import { alwaysLimiter, neverLimiter, tokenBucket } from '../../src/workers/kubernetes/rate-limit.js';
import { recordingLogger } from '../support/node.js';

// Time stands still, so that no bucket is refilled while it is measured.
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

function read(env: Record<string, string>) {
  const log = recordingLogger();
  return { habits: apiHabits(env, log), log: log.lines };
}
/** How many requests a limiter lets through without a wait. */
async function atOnce(
  limiter: { acquire(signal?: AbortSignal): Promise<void> },
  most: number,
): Promise<number> {
  const stop = new AbortController();
  setMaxListeners(most, stop.signal);
  let through = 0;
  const all = Array.from({ length: most }, () =>
    limiter.acquire(stop.signal).then(
      () => {
        through += 1;
      },
      () => undefined,
    ),
  );
  // Only microtasks: no timer comes between.
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  const counted = through;
  stop.abort();
  await Promise.all(all);
  return counted;
}

describe('RECEPTOR_KUBE_*', () => {
  it('has the defaults of the Go daemon: 1000 at once, 5 tries, a second to the first', async () => {
    const { habits, log } = read({});
    expect(await atOnce(habits.limiter(), 1100)).toBe(1000);
    expect(habits).toMatchObject({ tries: 5, firstWaitMs: 1000 });
    expect(log).toEqual([]);
  });

  it.each([
    [{ RECEPTOR_KUBE_CLIENTSET_QPS: '7' }, 70],
    [{ RECEPTOR_KUBE_CLIENTSET_BURST: '3' }, 3],
    [{ RECEPTOR_KUBE_CLIENTSET_QPS: '7', RECEPTOR_KUBE_CLIENTSET_BURST: '9' }, 9],
    [{ RECEPTOR_KUBE_CLIENTSET_RATE_LIMITER: 'always' }, 1100],
    [{ RECEPTOR_KUBE_CLIENTSET_RATE_LIMITER: 'tokenbucket', RECEPTOR_KUBE_CLIENTSET_BURST: '2' }, 2],
    [{ RECEPTOR_KUBE_CLIENTSET_RATE_LIMITER: 'never' }, 0],
  ] as [Record<string, string>, number][])('%j lets %i requests through at once', async (env, expected) => {
    const { habits, log } = read(env);
    expect(await atOnce(habits.limiter(), 1100)).toBe(expected);
    expect(log).toEqual([]);
  });

  it.each([
    ['RECEPTOR_KUBE_RETRY_COUNT', '12', { tries: 12 }],
    ['RECEPTOR_KUBE_RETRY_COUNT', '1', { tries: 1 }],
    ['RECEPTOR_KUBE_RETRY_COUNT', '100', { tries: 100 }],
    ['RECEPTOR_KUBE_TIMEOUT_START', '250ms', { firstWaitMs: 250 }],
    ['RECEPTOR_KUBE_TIMEOUT_START', '1m', { firstWaitMs: 60_000 }],
  ])('%s=%s counts', (name, value, expected) => {
    const { habits, log } = read({ [name]: value });
    expect(habits).toMatchObject(expected);
    expect(log).toEqual([]);
  });

  it.each([
    ['RECEPTOR_KUBE_CLIENTSET_QPS', 'abc'],
    ['RECEPTOR_KUBE_CLIENTSET_QPS', '1.5'],
    ['RECEPTOR_KUBE_CLIENTSET_BURST', '1e3'],
    ['RECEPTOR_KUBE_CLIENTSET_RATE_LIMITER', 'sometimes'],
    ['RECEPTOR_KUBE_SUPPORT_RECONNECT', 'perhaps'],
    ['RECEPTOR_KUBE_RETRY_COUNT', '0'],
    ['RECEPTOR_KUBE_RETRY_COUNT', '101'],
    ['RECEPTOR_KUBE_RETRY_COUNT', 'often'],
    ['RECEPTOR_KUBE_TIMEOUT_START', '5'],
    ['RECEPTOR_KUBE_TIMEOUT_START', '-1s'],
    ['RECEPTOR_KUBE_TIMEOUT_START', '2h'],
  ])('%s=%s is ignored, with a warning', async (name, value) => {
    const { habits, log } = read({ [name]: value });
    expect(log).toEqual([`warning Invalid value for ${name}: ${value}. Ignoring`]);
    expect(habits).toMatchObject({ tries: 5, firstWaitMs: 1000 });
    expect(await atOnce(habits.limiter(), 1100)).toBe(1000);
  });

  it.each(['enabled', 'disabled', 'auto'])('SUPPORT_RECONNECT=%s is known', (value) => {
    expect(read({ RECEPTOR_KUBE_SUPPORT_RECONNECT: value }).log).toEqual([]);
  });
});

describe('a rate limiter', () => {
  it('refills with time, up to its burst', async () => {
    let now = 0;
    const bucket = tokenBucket(10, 5, () => now);
    expect(await atOnce(bucket, 8)).toBe(5);
    now += 100_000;
    expect(await atOnce(bucket, 8)).toBe(5);
  });

  it('makes the others wait, in the order they came', async () => {
    const bucket = tokenBucket(100, 1);
    const order: number[] = [];
    await Promise.all([0, 1, 2, 3].map((i) => bucket.acquire().then(() => order.push(i))));
    expect(order).toEqual([0, 1, 2, 3]);
  });

  it('without a rate has no limit', () => {
    expect(tokenBucket(0, 1)).toBe(alwaysLimiter);
    expect(tokenBucket(-1, 1)).toBe(alwaysLimiter);
  });

  it('that never lets anything through says so in the words of client-go', async () => {
    await expect(neverLimiter.acquire()).rejects.toThrow(
      'client rate limiter Wait returned an error: can not be accept',
    );
  });
});
