import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Command, encodeCommand, parseCommandLine } from '../src/index.js';

const word = fc.string({ minLength: 1, unit: 'grapheme' });
const optional = (name: string) =>
  fc.oneof(
    fc.constant({}),
    word.map((value) => ({ [name]: value })),
  );
const unit = fc.oneof(fc.stringMatching(/^[A-Za-z0-9]{8}$/), word);

const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ command: fc.constant('status' as const) }),
  fc.record({ command: fc.constant('status' as const), requestedFields: fc.array(word) }),
  fc.record({
    command: fc.constantFrom('ping' as const, 'traceroute' as const),
    target: fc.string({ minLength: 1 }),
  }),
  fc
    .tuple(
      fc.record({ command: fc.constant('connect' as const), node: fc.string(), service: word }),
      optional('tls'),
    )
    .map(([a, b]) => ({ ...a, ...b })),
  fc.record({ command: fc.constant('reload' as const) }),
  fc
    .tuple(
      fc.record({
        command: fc.constant('work' as const),
        subcommand: fc.constant('submit' as const),
        node: fc.string(),
        workType: fc.string(),
        parameters: fc.dictionary(
          fc.string().map((key) => `p_${key}`),
          fc.string(),
        ),
      }),
      optional('tlsClient'),
      optional('ttl'),
      fc.constantFrom({}, { signWork: true }),
      optional('signature'),
    )
    .map((parts) => Object.assign({}, ...parts)),
  fc
    .tuple(
      fc.record({
        command: fc.constant('work' as const),
        subcommand: fc.constantFrom('cancel' as const, 'release' as const, 'force-release' as const),
        unitId: unit,
      }),
      optional('signature'),
    )
    .map(([a, b]) => ({ ...a, ...b })),
  fc.record({
    command: fc.constant('work' as const),
    subcommand: fc.constant('status' as const),
    unitId: fc.string(),
  }),
  fc
    .tuple(
      fc.record({ command: fc.constant('work' as const), subcommand: fc.constant('list' as const) }),
      optional('unitId'),
    )
    .map(([a, b]) => ({ ...a, ...b })),
  fc
    .tuple(
      fc.record({
        command: fc.constant('work' as const),
        subcommand: fc.constant('results' as const),
        unitId: unit,
        startPos: fc.maxSafeInteger(),
      }),
      optional('signature'),
    )
    .map(([a, b]) => ({ ...a, ...b })),
);

describe('writing a command', () => {
  it('gives one line that reads back as the same command', () => {
    fc.assert(
      fc.property(anyCommand, (command) => {
        const line = encodeCommand(command);
        expect(line).toMatch(/^[^\r\n]+\n$/);
        expect(parseCommandLine(line)).toEqual(command);
      }),
      { numRuns: 500 },
    );
  });

  it.each<[Command, string]>([
    [
      { command: 'status', requestedFields: ['Version'] },
      '{"command":"status","requested_fields":["Version"]}',
    ],
    [{ command: 'status' }, 'status'],
    [{ command: 'ping', target: 'bar' }, 'ping bar'],
    [{ command: 'connect', node: 'bar', service: 'control' }, 'connect bar control '],
    [{ command: 'work', subcommand: 'list' }, 'work list'],
    [{ command: 'work', subcommand: 'results', unitId: 'yq5XLTFN', startPos: 0 }, 'work results yq5XLTFN 0'],
    [{ command: 'work', subcommand: 'force-release', unitId: 'yq5XLTFN' }, 'work force-release yq5XLTFN'],
    [
      {
        command: 'work',
        subcommand: 'submit',
        node: 'bar',
        workType: 'args',
        ttl: '1h',
        signWork: true,
        parameters: { params: '--x a b c' },
      },
      '{"command":"work","subcommand":"submit","node":"bar","worktype":"args","ttl":"1h","signwork":"true","params":"--x a b c"}',
    ],
  ])('sends %o as receptorctl does', (command, line) => {
    expect(encodeCommand(command)).toBe(`${line}\n`);
  });

  it('refuses a parameter with a reserved name', () => {
    const command: Command = {
      command: 'work',
      subcommand: 'submit',
      node: 'a',
      workType: 'b',
      parameters: { node: 'c' },
    };
    expect(() => encodeCommand(command)).toThrow(
      expect.objectContaining({
        code: 'RECEPTOR_PARAMETER_INVALID',
        message: 'Duplicate or illegal parameter node',
      }),
    );
  });
});
