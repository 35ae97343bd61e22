import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeGoJson,
  encodeReply,
  encodeStatusReply,
  encodeTracerouteReply,
  encodeUnitReply,
  encodeWorkListReply,
  errorReply,
  ReceptorError,
  type StatusReply,
  type TracerouteReply,
  unitReport,
  type WorkListReply,
} from '../src/index.js';
import { exchanges } from './vectors.js';

describe('JSON as Go writes it', () => {
  it('escapes what HTML would read, and the line ends of JavaScript', () => {
    expect(encodeGoJson('<a>&\u2028\u2029é"\\\n')).toBe('"\\u003ca\\u003e\\u0026\\u2028\\u2029é\\"\\\\\\n"');
    expect(encodeGoJson({ '<': 1 })).toBe('{"\\u003c":1}');
  });

  it('keeps the order of members of an object and leaves out the undefined', () => {
    expect(encodeGoJson({ b: 1, a: undefined, A: null })).toBe('{"b":1,"A":null}');
  });

  it('sorts the keys of a map by their bytes', () => {
    const keys = ['b', 'a', 'B', '10', '2', '\ufffd', '\u{1f600}', 'é', ''];
    expect(encodeGoJson(new Map(keys.map((key) => [key, 0])))).toBe(
      '{"":0,"10":0,"2":0,"B":0,"a":0,"b":0,"é":0,"\ufffd":0,"\u{1f600}":0}',
    );
  });

  it('writes whole numbers of any size, and refuses what JSON cannot hold', () => {
    expect(encodeGoJson([2n ** 63n, 1.5, 1e21])).toBe('[9223372036854775808,1.5,1e+21]');
    expect(() => encodeGoJson(Number.NaN)).toThrow(TypeError);
    expect(() => encodeGoJson([undefined])).toThrow(TypeError);
  });

  it('says the same as JSON.stringify, whatever the value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(encodeGoJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
        expect(encodeGoJson(value)).not.toMatch(/[<>&\u2028\u2029]/);
      }),
    );
  });
});

/** The object with every member in another order, so that only the encoder can put it right. */
function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, shuffled(member)]),
  );
}

describe('replies', () => {
  it.each([...exchanges('status_errors'), ...exchanges('status_json_fields'), ...exchanges('status_text')])(
    'status is byte for byte what the Go daemon sent to $sent',
    ({ received }) => {
      if (received.startsWith('{'))
        expect(encodeStatusReply(shuffled(JSON.parse(received)) as StatusReply)).toBe(received);
    },
  );

  it('keeps the null of a status without advertisements', () => {
    expect(encodeStatusReply({ Advertisements: null, Connections: null })).toBe(
      '{"Advertisements":null,"Connections":null}\n',
    );
  });

  it.each(exchanges('traceroute'))('traceroute is what the Go daemon sent to $sent', ({ received }) => {
    if (received.startsWith('{'))
      expect(encodeTracerouteReply(shuffled(JSON.parse(received)) as TracerouteReply)).toBe(received);
  });

  it.each([...exchanges('ping'), ...exchanges('reload_ok'), ...exchanges('cancel_again_release')])(
    'the reply to $sent is what the Go daemon sent',
    ({ received }) => {
      if (received.startsWith('{'))
        expect(encodeReply(shuffled(JSON.parse(received)) as Record<string, unknown>)).toBe(received);
    },
  );

  it('work list is what the Go daemon sent, ExtraData in its own order', () => {
    const { received } = exchanges('work_parse_errors').at(-1) ?? { received: '' };
    expect(encodeWorkListReply(JSON.parse(received) as WorkListReply)).toBe(received);
    const unit = {
      State: 2,
      Detail: 'exit status 0',
      StdoutSize: 4,
      WorkType: 'cat',
      ExtraData: { b: 1, a: 2 },
    };
    expect(encodeUnitReply(unitReport(unit as never))).toBe(
      '{"Detail":"exit status 0","ExtraData":{"b":1,"a":2},"State":2,"StateName":"Succeeded","StdoutSize":4,"WorkType":"cat"}\n',
    );
  });

  it('an error is one line, whatever its message', () => {
    expect(errorReply(new ReceptorError('RECEPTOR_REMOTE', 'a\n ERROR: b\r\nc'))).toBe(
      'ERROR: a ERROR: b c\n',
    );
    expect(errorReply('text')).toBe('ERROR: text\n');
  });
});
