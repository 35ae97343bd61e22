import { describe, expect, it } from 'vitest';
import { plain } from '../../src/config/raw.js';
import { readYaml, resolvePlain, YamlError } from '../../src/config/yaml.js';

const value = (text: string) => plain(readYaml(text, 'a.yml').value);

describe('a scalar without quotes', () => {
  it.each<readonly [string, string, unknown]>([
    ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map(
      (text) => [text, 'bool', true] as const,
    ),
    ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map(
      (text) => [text, 'bool', false] as const,
    ),
    ...['yEs', 'tRUE', 'oN', 'nil', 'none'].map((text) => [text, 'string', text] as const),
    ['0', 'int', 0n],
    ['012', 'int', 10n],
    ['0600', 'int', 384n],
    ['0o600', 'int', 384n],
    ['08', 'float', 8],
    ['0x1F', 'int', 31n],
    ['-0x1f', 'int', -31n],
    ['0b101', 'int', 5n],
    ['+12', 'int', 12n],
    ['1_000', 'int', 1000n],
    ['18446744073709551615', 'int', 18446744073709551615n],
    ['18446744073709551616', 'float', 18446744073709552000],
    ['1.5', 'float', 1.5],
    ['1.', 'float', 1],
    ['.5', 'float', 0.5],
    ['1e3', 'float', 1000],
    ['-.inf', 'float', Number.NEGATIVE_INFINITY],
    ['.NaN', 'float', Number.NaN],
    ['1.2.3', 'string', '1.2.3'],
    ['1:30', 'string', '1:30'],
    ['12h', 'string', '12h'],
    ['-', 'string', '-'],
    ['0xg', 'string', '0xg'],
  ])('%s is a %s', (text, type, meaning) => {
    expect(resolvePlain(String(text))).toEqual({ type, value: meaning });
  });

  it.each(['', '~', 'null', 'Null', 'NULL'])('“%s” is nothing', (text) => {
    expect(resolvePlain(text)).toEqual({ type: 'null' });
  });
});

describe('a document', () => {
  it('takes what is quoted, tagged or a block for text', () => {
    expect(value('["yes", \'012\', !!str 12, "\\u0041"]')).toEqual(['yes', '012', '12', 'A']);
    expect(value('a: |\n  yes\nb: >-\n  0\n  1\n')).toEqual({ a: 'yes\n', b: '0 1' });
    expect(value('!!binary aGk=')).toBe('hi');
    expect(value('!!float 1')).toBe(1);
    expect(value('!!timestamp 2001-01-01')).toBe('2001-01-01');
  });

  it('follows aliases and merges maps, what is there itself first', () => {
    expect(value('- &a {x: 1, b: 2}\n- {<<: *a, b: 3}\n- {<<: [{x: 5}, *a]}\n')).toEqual([
      { x: 1, b: 2 },
      { x: 1, b: 3 },
      { x: 5, b: 2 },
    ]);
    expect(() => value('a: &a [*a]')).toThrow("yaml: anchor 'a' value contains itself");
    expect(() => value('*nowhere')).toThrow(YamlError);
    expect(() => value('{<<: 5}')).toThrow('yaml: map merge requires map or sequence of maps as the value');
  });

  it('of several is the first, and of a key that is there twice the last one counts, with a warning each', () => {
    expect(readYaml('a: 1\na: 2\n---\nb: 3\n', 'a.yml')).toMatchObject({
      warnings: [
        'a.yml: only the first of 2 YAML documents is read',
        'a.yml:2:1: the key a is there twice; the last one counts',
      ],
    });
    expect(value('a: 1\na: 2\n')).toEqual({ a: 2 });
  });

  it('that is none is refused with its line, as Go does', () => {
    expect(() => value('a: 1\nb: [\n')).toThrow(/^yaml: line [23]: /);
    expect(() => value('a: !!int x\n')).toThrow('yaml: cannot decode !!str `x` as a !!int');
  });
});
