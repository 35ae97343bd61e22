import { describe, expect, it } from 'vitest';
import { candidates } from '../src/completion.js';
import { runCaptured } from './capture.js';

const daemon = {
  status: async () => ({
    KnownConnectionCosts: { foo: { bar: 1 }, bar: { foo: 1 } },
    Advertisements: [
      { WorkCommands: [{ WorkType: 'cat' }, { WorkType: 'kubeit' }] },
      { WorkCommands: [{ WorkType: 'cat' }] },
      { WorkCommands: null },
    ],
  }),
  workList: async () => ({ unitOne1: {}, unitTwo2: {} }),
};

/** Completes the last word of a line that a person typed behind `receptorctl`. */
const complete = (line: string) =>
  // The three questions need no more of a client than that.
  candidates(line.split(' '), (question) => question(daemon as unknown as Parameters<typeof question>[0]));

describe('the completion of', () => {
  it.each([
    ['', ['connect', 'ping', 'reload', 'status', 'traceroute', 'version', 'work']],
    ['st', ['status']],
    ['--socket /tmp/x wo', ['work']],
    ['--socket=/tmp/x wo', ['work']],
    ['work re', ['release', 'results']],
    ['work results ', ['unitOne1', 'unitTwo2']],
    ['work results unitT', ['unitTwo2']],
    ['work results unitOne1 ', []],
    ['work cancel unitOne1 ', ['unitOne1', 'unitTwo2']],
    ['work list --unit_id ', ['unitOne1', 'unitTwo2']],
    ['work list --node ', ['bar', 'foo']],
    ['ping ', ['bar', 'foo']],
    ['ping --count ', []],
    ['ping --count 3 b', ['bar']],
    ['connect bar ', []],
    ['work submit --node bar k', ['kubeit']],
    ['work submit --', expect.arrayContaining(['--node', '--payload', '--follow', '--help'])],
    ['work submit --pay', ['--payload', '--payload-literal']],
    ['work submit cat -- --', []],
    ['nosuch ', []],
  ])('%j is %j', async (line, words) => {
    expect((await complete(line)).words).toEqual(words);
  });

  it.each(['--socket ', '-c ', 'work submit -p ', 'work submit --payload '])('%j is a file', async (line) => {
    expect(await complete(line)).toEqual({ words: [], files: true });
  });
});

it('completion needs no daemon, and tells nothing where there is none', async () => {
  const env = (line: string) => ({
    _RECEPTORCTL_COMPLETE: 'bash_complete',
    COMP_WORDS: `receptorctl\n${line.replaceAll(' ', '\n')}`,
    COMP_CWORD: String(line.split(' ').length),
    RECEPTORCTL_SOCKET: '/nonexistent/socket',
  });
  expect(await runCaptured([], { env: env('ver') })).toEqual({
    exit: 0,
    stdout: 'plain,version\n',
    stderr: '',
  });
  expect(await runCaptured([], { env: env('ping ') })).toEqual({ exit: 0, stdout: '', stderr: '' });
  expect(await runCaptured([], { env: env('-c ') })).toEqual({ exit: 0, stdout: 'file\n', stderr: '' });
  expect(await runCaptured([], { env: { _RECEPTORCTL_COMPLETE: 'tcsh_source' } })).toMatchObject({
    exit: 1,
    stderr: 'ERROR: no completion for tcsh_source: bash_source is there\n',
  });
});
