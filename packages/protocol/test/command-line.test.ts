import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorReply, parseCommandLine, splitCommandLine } from '../src/index.js';
import { exchanges } from './vectors.js';

/** What a daemon answers to a line that it cannot read; undefined where it can. */
function refusal(line: Buffer | string): string | undefined {
  try {
    parseCommandLine(line);
    return undefined;
  } catch (error) {
    return errorReply(error);
  }
}

/** Errors that come of running a command, not of reading it. */
const RUN_TIME =
  /^ERROR: (unknown work unit|unknown work type|ttl option|extra params|cannot send secrets|unknown TLS config|time: |work type did not|INTERNAL_ERROR)/;

const DIALOGUES = [
  'work_parse_errors',
  'bad_json',
  'bad_input',
  'status_errors',
  'connect_errors',
  'connect_trailing_space',
  'ping',
  'traceroute',
  'reload_ok',
  'status_json_fields',
  'submit_text_params',
  'results_json',
];

describe.each(DIALOGUES)('the captured dialogue %s', (name) => {
  const cases = exchanges(name).filter(({ sent }) => /^[^\n]+\n$/.test(sent));
  it.each(cases)('answers $sent', ({ sent, received }) => {
    if (sent.includes('"startpos":"0"')) {
      // The one thing that is accepted here and not there.
      expect(parseCommandLine(sent)).toMatchObject({ startPos: 0 });
    } else if (received.startsWith('ERROR:') && !RUN_TIME.test(received)) {
      expect(refusal(sent)).toBe(received);
    } else {
      expect(refusal(sent)).toBeUndefined();
    }
  });
});

describe('reading a command line', () => {
  it('gives an empty line no meaning, whatever line ends it is made of', () => {
    for (const line of ['', '\n', '\r', '\r\n', '\r\r\n']) expect(parseCommandLine(line)).toBeUndefined();
  });

  it('drops carriage returns wherever they stand', () => {
    expect(parseCommandLine(Buffer.from('pi\rng b\rar\r\n'))).toEqual({ command: 'ping', target: 'bar' });
  });

  it('splits lines of commands it does not know, for a daemon that does', () => {
    expect(splitCommandLine('Mine a  b\n')).toEqual({ form: 'text', name: 'mine', parameters: 'a  b' });
    expect(splitCommandLine('{"command":"Mine","x":1}')).toEqual({
      form: 'json',
      name: 'Mine',
      members: { command: 'Mine', x: 1 },
    });
  });

  it('takes the whole rest of a text line as the target of ping', () => {
    expect(parseCommandLine('PING bar extra')).toEqual({ command: 'ping', target: 'bar extra' });
  });

  it('joins the words after the work type to the parameter params, spaces kept', () => {
    expect(parseCommandLine('work SUBMIT foo args p1 p2  p3')).toEqual({
      command: 'work',
      subcommand: 'submit',
      node: 'foo',
      workType: 'args',
      parameters: { params: 'p1 p2  p3' },
    });
  });

  it('separates what a submit says of itself from what it gives the work type', () => {
    const line = {
      command: 'work',
      subcommand: 'submit',
      node: 'bar',
      worktype: 'cat',
      tlsclient: '',
      ttl: '1h',
      signwork: 'true',
      signature: 's',
      __proto__: null,
      secret_x: 'y',
    };
    expect(parseCommandLine(JSON.stringify(line))).toEqual({
      command: 'work',
      subcommand: 'submit',
      node: 'bar',
      workType: 'cat',
      ttl: '1h',
      signWork: true,
      signature: 's',
      parameters: { secret_x: 'y' },
    });
  });

  it.each(['false', 'TRUE', '1', ''])('does not sign for signwork "%s"', (signwork) => {
    const line = { command: 'work', subcommand: 'submit', node: 'a', worktype: 'b', signwork };
    expect(parseCommandLine(JSON.stringify(line))).not.toHaveProperty('signWork');
  });

  it('keeps a parameter named like a member of every object a parameter', () => {
    const command = parseCommandLine(
      '{"command":"work","subcommand":"submit","node":"a","worktype":"b","__proto__":"p","toString":"t"}',
    );
    const parameters = (command as { parameters: object }).parameters;
    expect(Object.entries(parameters)).toEqual([
      ['__proto__', 'p'],
      ['toString', 't'],
    ]);
    expect(refusal('{"command":"ping","__proto__":{"target":"x"}}')).toBe('ERROR: no ping target\n');
  });

  it.each([
    ['5', 5],
    ['-1', -1],
    ['2.9', 2],
    ['1e3', 1000],
    ['"007"', 7],
    ['"+4"', 4],
  ])('reads startpos %s', (json, startPos) => {
    const line = `{"command":"work","subcommand":"results","unitid":"x","startpos":${json}}`;
    expect(parseCommandLine(line)).toMatchObject({ startPos });
  });

  it.each([
    ['true', 'field startpos value %!s(bool=true) is not convertible to an int'],
    ['null', 'field startpos value %!s(<nil>) is not convertible to an int'],
    ['[1,"a"]', 'field startpos value [%!s(float64=1) a] is not convertible to an int'],
    ['{"b":null,"a":"x"}', 'field startpos value map[a:x b:%!s(<nil>)] is not convertible to an int'],
    ['"9223372036854775808"', 'strconv.ParseInt: parsing "9223372036854775808": value out of range'],
    ['"a\\n\\"µ\\u0001"', 'strconv.ParseInt: parsing "a\\n\\"µ\\x01": invalid syntax'],
  ])('refuses startpos %s', (json, message) => {
    const line = `{"command":"work","subcommand":"results","unitid":"x","startpos":${json}}`;
    expect(refusal(line)).toBe(`ERROR: ${message}\n`);
  });

  it.each(['null', '"NodeID"', '{}', '5'])('refuses requested_fields %s instead of crashing', (json) => {
    expect(refusal(`{"command":"status","requested_fields":${json}}`)).toBe(
      'ERROR: requested_fields must be a list\n',
    );
  });

  it('refuses binary, deep and long lines in reasonable time', () => {
    expect(refusal(Buffer.from([0xff, 0xfe, 0, 0x20, 0xff]))).toBe('ERROR: Unknown command\n');
    expect(refusal(`{"a":${'['.repeat(1_000_000)}`)).toContain("invalid character '[' exceeded max depth");
    expect(refusal(`{"a":${'0'.repeat(1_000_000)}`)).toContain("'0' after object key:value pair");
    expect(refusal(`work results a ${'0'.repeat(1_000_000)}x`)).toContain('invalid syntax');
  });

  it('never throws anything but the errors it documents', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.string({ unit: 'binary' }).map((s) => `{${s}`),
        ),
        (line) => {
          const reply = refusal(line);
          if (reply !== undefined) expect(reply).toMatch(/^(ERROR: [^\n]*\n){1,2}$/);
        },
      ),
    );
  });
});
