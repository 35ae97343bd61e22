import { describe, expect, it } from 'vitest';
import { type ErrorCode, errorFromReply, errorReply, isErrorLine, parseCommandLine } from '../src/index.js';
import { exchanges } from './vectors.js';

describe('an error line', () => {
  it.each<[string, ErrorCode]>([
    ['unknown work unit 8CiGeYmh', 'RECEPTOR_UNKNOWN_UNIT'],
    ['error cancelling remote unit:  unknown work unit 8CiGeYmh', 'RECEPTOR_UNKNOWN_UNIT'],
    ['unknown work type nosuch', 'RECEPTOR_UNKNOWN_WORK_TYPE'],
    ['could not parse response: ERROR: unknown work type nosuch', 'RECEPTOR_UNKNOWN_WORK_TYPE'],
    ['Unknown command', 'RECEPTOR_UNKNOWN_COMMAND'],
    ['extra params provided but not allowed', 'RECEPTOR_PARAMETER_NOT_ALLOWED'],
    ['secret_kube_pod provided but not allowed', 'RECEPTOR_PARAMETER_NOT_ALLOWED'],
    ['time: invalid duration "zz"', 'RECEPTOR_DURATION_INVALID'],
    ['time: missing unit in duration "5"', 'RECEPTOR_DURATION_INVALID'],
    ['time: unknown unit "d" in duration "1d"', 'RECEPTOR_DURATION_INVALID'],
    ['could not verify signature: signature is empty', 'RECEPTOR_SIGNATURE'],
    ['could not verify signature: token is expired by 6.092720865s', 'RECEPTOR_SIGNATURE'],
    ['work type did not expect a signature', 'RECEPTOR_SIGNATURE'],
    ['token audience did not match node ID', 'RECEPTOR_SIGNATURE'],
    ['could not load verifying key file: unknown block type RSA PUBLIC KEY', 'RECEPTOR_SIGNATURE'],
    ['cannot sign work: signing key is empty', 'RECEPTOR_SIGNATURE'],
    ['INTERNAL_ERROR (local): no route to node', 'RECEPTOR_REMOTE'],
    ['unknown TLS config nope', 'RECEPTOR_REMOTE'],
    ['', 'RECEPTOR_REMOTE'],
  ])('%j is %s', (message, code) => {
    expect(errorFromReply(`ERROR: ${message}\n`)).toMatchObject({ name: 'ReceptorError', code, message });
  });

  const dialogues = [
    'work_parse_errors',
    'bad_json',
    'bad_input',
    'status_errors',
    'connect_errors',
    'ping',
    'traceroute',
  ];
  it.each(dialogues.flatMap(exchanges).filter(({ received }) => isErrorLine(received)))(
    'keeps the code of the refusal of $sent on its way to the client',
    ({ sent }) => {
      let refusal: unknown;
      try {
        parseCommandLine(sent);
      } catch (error) {
        refusal = error;
      }
      if (refusal === undefined) return;
      const [line = ''] = errorReply(refusal).split('\n');
      expect(errorFromReply(line)).toMatchObject(refusal as object);
    },
  );

  it('has the code of the caller where its text says nothing', () => {
    expect(errorFromReply('ERROR: fork failed', 'RECEPTOR_WORK_START_FAILED').code).toBe(
      'RECEPTOR_WORK_START_FAILED',
    );
  });
});
