import fc from 'fast-check';
import { expect, test } from 'vitest';
import { describeExit } from '../../src/workers/command/exit-detail.js';
import { parseRunnerRecord } from '../../src/workers/command/runner.js';

test('reads number, what the shell said, and status', () => {
  expect(parseRunnerRecord('pid 12\nKilled\nexit 137\n')).toEqual({
    pid: 12,
    message: 'Killed',
    exitStatus: 137,
  });
  expect(parseRunnerRecord('pid 12\n')).toEqual({ pid: 12, message: '', exitStatus: undefined });
  expect(parseRunnerRecord('sh: cannot open stdin\n')).toEqual({
    pid: undefined,
    message: 'sh: cannot open stdin',
    exitStatus: undefined,
  });
});

test('takes no half line for a whole one', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4194304 }), fc.nat(255), fc.nat(), (pid, status, cut) => {
      const text = `pid ${pid}\nexit ${status}\n`;
      const record = parseRunnerRecord(text.slice(0, cut % text.length));
      expect([undefined, pid]).toContain(record.pid);
      expect(record.exitStatus).toBeUndefined();
    }),
  );
});

test.each([
  [0, '', 2, 'exit status 0'],
  [7, '', 3, 'exit status 7'],
  [137, '', 3, 'exit status 137'],
  [137, 'Killed', 3, 'signal: killed'],
  [143, 'sh: line 5: 12 Terminated', 3, 'signal: terminated'],
  [139, 'Segmentation fault (core dumped)', 3, 'signal: segmentation fault (core dumped)'],
  [130, '', 3, 'signal: interrupt'],
  [141, '', 3, 'signal: broken pipe'],
  [255, 'whatever', 3, 'exit status 255'],
])('describes $? %i with %j as %i %j', (status, message, state, detail) => {
  expect(describeExit({ message }, status)).toMatchObject({ state, detail, exitCode: status });
});
