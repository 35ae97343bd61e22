import { beforeEach, expect, test } from 'vitest';
import { Anticipation } from '../../src/control/anticipation.js';

let time = 0;
/** What the event loop does at its next turn. */
let next: (() => void) | undefined;
let anticipation: Anticipation;

beforeEach(() => {
  next = undefined;
  anticipation = new Anticipation(
    () => time,
    (turn) => {
      next = turn;
    },
  );
});

/** Whether the event loop is kept from sleeping. */
const isAwake = () => next !== undefined;

/** Lets time pass, and the event loop turn as long as it is kept awake. */
function pass(ms: number): void {
  for (const end = time + ms; time < end; time += 0.01) {
    const turn = next;
    next = undefined;
    turn?.();
  }
}

/** Commands that each come so many milliseconds after the answer to the one before. */
function ask(count: number, afterMs: number): void {
  for (let i = 0; i < count; i += 1) {
    pass(afterMs);
    anticipation.heard();
    anticipation.answered();
  }
}

test('sleeps between the commands of a client that takes its time', () => {
  ask(1000, 1);
  expect(isAwake()).toBe(false);
});

test('waits awake for the next command of a client that asks again at once, but not for long', () => {
  ask(8, 0.02);
  expect(isAwake()).toBe(false);
  ask(2, 0.02);
  expect(isAwake()).toBe(true);
  pass(0.3);
  expect(isAwake()).toBe(false);
});

test('having waited in vain it sleeps until much has come at once again', () => {
  ask(10, 0.02);
  pass(0.3);
  ask(90, 0.02);
  expect(isAwake()).toBe(false);
  ask(30, 0.02);
  expect(isAwake()).toBe(true);
});

test('goes on where it waited in vain but rarely', () => {
  ask(300, 0.02);
  pass(0.15);
  expect(isAwake()).toBe(false);
  ask(1, 0);
  expect(isAwake()).toBe(true);
});

test('ends when the client has gone', () => {
  ask(20, 0.02);
  anticipation.heard();
  pass(0.02);
  expect(isAwake()).toBe(false);
});
