import { ReceptorError } from '@receptor/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { suggestion, tell } from '../src/hints.js';
import { runCaptured, Sink } from './capture.js';

const commands = ['connect', 'ping', 'reload', 'status', 'traceroute', 'version', 'work'];

describe('a suggestion', () => {
  it.each([
    ['stauts', 'status'],
    ['stat', 'status'],
    ['ver', 'version'],
    ['wrok', 'work'],
    ['pign', 'ping'],
    ['tracroute', 'traceroute'],
  ])('for %s is %s', (word, meant) => {
    expect(suggestion(word, commands)).toBe(meant);
  });

  it('is not made for a word that is like none', () => {
    expect(suggestion('kubernetes', commands)).toBeUndefined();
    expect(suggestion('', commands)).toBeUndefined();
  });

  it.each(commands)('for %s, which is known, is the word itself', (word) => {
    expect(suggestion(word, commands)).toBe(word);
  });

  it('is always one of the known words, or none', () => {
    fc.assert(
      fc.property(fc.string(), (word) => {
        expect([undefined, ...commands]).toContain(suggestion(word, commands));
      }),
    );
  });
});

describe('an error', () => {
  const socketError = (code: string, errno: number, why: string) =>
    new ReceptorError('RECEPTOR_CONNECT_FAILED', `Could not connect to socket /run/s: ${why}`, {
      cause: Object.assign(new Error(code), { code, errno }),
    });

  it('of a socket reads as Python has it, and the hint says what to do', () => {
    expect(tell(socketError('ECONNREFUSED', -111, 'nothing accepts connections there'))).toEqual({
      text: '[Errno 111] Connection refused',
      hint: '/run/s: nothing accepts connections there; the daemon that made it runs no more; start it again (receptor -c FILE)',
    });
    expect(tell(socketError('EACCES', -13, 'permission denied'))).toEqual({
      text: '[Errno 13] Permission denied',
      hint: "/run/s: permission denied; see 'permissions' in the control-service section of the daemon's file",
    });
  });

  it('of a host keeps the reason for the hint', () => {
    const error = new ReceptorError('RECEPTOR_CONNECT_FAILED', 'Could not connect to host h port 1: because');
    expect(tell(error)).toEqual({ text: 'Could not connect to host h port 1', hint: 'because' });
  });

  it.each([
    ['unknown work type nosuch', /receptorctl status/],
    ['Failed to start work unit: cannot submit work to bar: no route to node', /nodes that can be reached/],
    ['INTERNAL_ERROR (local): service unknown', /services of each node/],
    ['extra params provided but not allowed', /allowruntimeparams: true/],
    ['secret_kube_pod provided but not allowed', /allowruntimepod/],
    ['pod_pending_timeout provided but not allowed', /allowruntimeparams/],
    ['cannot send secrets over a non-TLS connection', /--tls-client NAME/],
    ['unknown TLS config nope', /tls-client section/],
    ['ttl option is intended for remote work only', /--node NAME/],
    ['could not verify signature: signature is empty', /--signwork/],
    ['work type did not expect a signature', /leave out --signwork/],
    ['pod.yml does not exist', /write @@$/],
    [
      "a non-reloadable config action 'node' was modified or added. Must restart receptor for these changes to take effect ERRORCODE 3",
      /^restart the daemon/,
    ],
    ['error loading config file: open foo.yml: no such file or directory ERRORCODE 4', /^correct the file/],
  ])('%s has a next step', (text, hint) => {
    const told = tell(new ReceptorError('RECEPTOR_REMOTE', text));
    expect(told.text).toBe(text);
    expect(told.hint).toMatch(hint);
  });

  it('without a known next step is told as it is', () => {
    expect(tell(new Error('odd'))).toEqual({ text: 'odd', hint: undefined });
    expect(tell('odd')).toEqual({ text: 'odd', hint: undefined });
  });

  it('has its hint on a terminal only', async () => {
    const run = async (isTTY: boolean) => {
      const stderr = new Sink();
      stderr.isTTY = isTTY;
      const { stderr: told } = await runCaptured(['stauts', '--help'], { stderr, env: { NO_COLOR: '1' } });
      return told;
    };
    expect(await run(false)).toBe("ERROR: No such command 'stauts'.\n");
    expect(await run(true)).toBe("ERROR: No such command 'stauts'.\nHint: did you mean 'status'?\n");
  });
});
