import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prettyJson, pythonLiteral } from '../src/python.js';
import { statusText } from '../src/status-text.js';
import { capturedRuns } from './vectors.js';

describe('the text of a status', () => {
  const run = capturedRuns('receptorctl_wire').find(({ argv }) => argv.at(-1) === 'status');
  const reply = JSON.parse(run?.connections?.[0]?.findLast(({ text }) => text !== undefined)?.text ?? '');

  it('is that of the Python client for a captured reply', () => {
    expect(`${statusText(reply)}\n`).toBe(run?.stdout);
  });

  it('leaves out blocks without data', () => {
    const lone = {
      NodeID: 'foo',
      Version: '',
      SystemCPUCount: 2,
      SystemMemoryMiB: 1,
      Connections: null,
      KnownConnectionCosts: {},
      RoutingTable: {},
      Advertisements: null,
    };
    expect(statusText(lone)).toBe('Node ID: foo\nVersion: \nSystem CPU Count: 2\nSystem Memory MiB: 1');
  });

  it('widens the first column for a long node ID, and keeps nodes named by digits in order', () => {
    const long = 'a-node-of-a-long-name';
    const text = statusText({
      ...reply,
      KnownConnectionCosts: { [long]: { '10': 1, '2': 1.5 } },
      RoutingTable: { '2': 'x', '10': 'y' },
    });
    expect(text).toContain(`\n${'Known Node'.padEnd(21)} Known Connections\n${long} 10: 1 2: 1.5 \n`);
    expect(text).toContain(`\n${'10'.padEnd(21)} y\n${'2'.padEnd(21)} x`);
  });

  it('lists secure work types apart, and each node once', () => {
    const ad = (Service: string, ConnType: number, WorkCommands: unknown) => ({
      NodeID: 'bar',
      Service,
      Time: '2026-11-24T05:39:46.8+01:00',
      ConnType,
      Tags: null,
      WorkCommands,
    });
    const types = [
      { WorkType: 'a', Secure: false },
      { WorkType: 'b', Secure: true },
      { WorkType: 'c', Secure: true },
    ];
    const text = statusText({
      ...reply,
      Advertisements: [ad('x', 0, null), ad('control', 2, types), ad('other', 1, types)],
    });
    expect(text).toContain('bar          x         Datagram   2026-11-24 05:39:46   -               \n');
    expect(text).toContain('bar          control   StreamTLS  2026-11-24 05:39:46   -               \n');
    expect(
      text.endsWith(
        '\nNode         Work Types\nbar          a\n\nNode         Secure Work Types\nbar          b, c',
      ),
    ).toBe(true);
  });

  it('ends with what it does not know', () => {
    expect(statusText({ ...reply, Extra: { b: 1, a: [] } })).toMatch(
      /\nAdditional data returned from Receptor:\n\{\n {4}"Extra": \{\n {8}"a": \[\],\n {8}"b": 1\n {4}\}\n\}$/,
    );
  });
});

describe('JSON for people', () => {
  it('is sorted, indented by four, and ASCII only', () => {
    expect(prettyJson({ b: 'µ\u007f\u{1f600}', a: { d: [], c: {}, '10': null } })).toBe(
      '{\n    "a": {\n        "10": null,\n        "c": {},\n        "d": []\n    },\n    "b": "\\u00b5\\u007f\\ud83d\\ude00"\n}',
    );
  });

  it('says what it was given', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = prettyJson(value);
        expect(json).toMatch(/^[\n -~]*$/);
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe('a value in notation of Python', () => {
  it.each([
    [{ type: 'Control Service', a: 'b' }, "{'a': 'b', 'type': 'Control Service'}"],
    [{}, '{}'],
    ["it's", '"it\'s"'],
    ['both \' and "', "'both \\' and \"'"],
    ['line\nend\\\u001b', "'line\\nend\\\\\\x1b'"],
    [[true, false, null, 1.5], '[True, False, None, 1.5]'],
  ])('%j', (value, literal) => {
    expect(pythonLiteral(value)).toBe(literal);
  });
});
