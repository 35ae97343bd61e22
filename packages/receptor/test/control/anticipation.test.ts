import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Anticipation } from '../../src/control/anticipation.js';

beforeEach(() => vi.useFakeTimers({ toFake: ['setImmediate', 'clearImmediate', 'performance'] }));
afterEach(() => vi.useRealTimers());

/** Commands that each come so many milliseconds after the answer to the one before. */
function ask(anticipation: Anticipation, count: number, afterMs: number): void {
  for (let i = 0; i < count; i += 1) {
    anticipation.heard();
    anticipation.answered();
    vi.advanceTimersByTime(afterMs);
  }
}

/** Whether the event loop is kept from sleeping. */
const isAwake = () => vi.getTimerCount() > 0;

/** Lets the event loop turn for so many milliseconds. */
function turn(ms: number): void {
  for (let passed = 0; passed < ms; passed += 0.01) {
    vi.advanceTimersByTime(0.01);
    vi.runOnlyPendingTimers();
  }
}

test('sleeps between the commands of a client that takes its time', () => {
  const anticipation = new Anticipation();
  ask(anticipation, 1000, 1);
  expect(isAwake()).toBe(false);
});

test('waits awake for the next command of a client that asks again at once, but not for long', () => {
  const anticipation = new Anticipation();
  ask(anticipation, 8, 0.02);
  expect(isAwake()).toBe(false);
  ask(anticipation, 1, 0);
  expect(isAwake()).toBe(true);
  turn(0.3);
  expect(isAwake()).toBe(false);
});

test('having waited in vain it sleeps until much has come at once again', () => {
  const anticipation = new Anticipation();
  ask(anticipation, 9, 0);
  turn(0.3);
  ask(anticipation, 90, 0.02);
  expect(isAwake()).toBe(false);
  ask(anticipation, 30, 0.02);
  expect(isAwake()).toBe(true);
});

test('goes on where it waited in vain but rarely', () => {
  const anticipation = new Anticipation();
  for (let i = 0; i < 300; i += 1) {
    ask(anticipation, 1, 0.02);
    vi.runOnlyPendingTimers();
  }
  turn(0.15);
  ask(anticipation, 1, 0);
  expect(isAwake()).toBe(true);
});

test('ends when the client has gone', () => {
  const anticipation = new Anticipation();
  ask(anticipation, 20, 0);
  anticipation.heard();
  vi.runOnlyPendingTimers();
  expect(isAwake()).toBe(false);
});
