import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { inTime } from '../src/in-time.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Ends with the reason of its signal. */
const patient = (signal: AbortSignal) =>
  new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
  );
const never = new AbortController().signal;

it('gives what the task gives', async () => {
  expect(await inTime(60_000, never, async () => 'done')).toBe('done');
});

it('ends a task whose time is over, though garbage is collected meanwhile', async () => {
  const ended = expect(inTime(200, never, patient)).rejects.toThrow('the time is over');
  await delay(20);
  collectGarbage();
  await ended;
});

it('ends a task whose own signal is given', async () => {
  const stop = new AbortController();
  const ended = expect(inTime(60_000, stop.signal, patient)).rejects.toThrow('stopped');
  stop.abort(new Error('stopped'));
  await ended;
});
