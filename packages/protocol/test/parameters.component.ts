import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expandParameters, parseParameters } from '../src/index.js';

describe('the parameters of a command line', () => {
  it('are split at the first equals sign; the last of the same key counts', () => {
    expect(parseParameters(['a=b=c', 'e=', '=x', 'a=2'])).toEqual({ a: '2', e: '', '': 'x' });
  });

  it('take further words into params, after what was given there', () => {
    expect(parseParameters([], ['a b', 'c'])).toEqual({ params: 'a b c' });
    expect(parseParameters(['params=--x'], ['a', 'b'])).toEqual({ params: '--x a b' });
    expect(parseParameters(['params='], ['a'])).toEqual({ params: ' a' });
  });

  it('are refused in the words of receptorctl when a pair has no equals sign', () => {
    expect(() => parseParameters(['a=b', 'oops'])).toThrow(
      expect.objectContaining({
        code: 'RECEPTOR_PARAMETER_INVALID',
        message: 'dictionary update sequence element #1 has length 1; 2 is required',
      }),
    );
  });

  it('may be named like a member of every object', () => {
    expect(Object.entries(parseParameters(['__proto__=x']))).toEqual([['__proto__', 'x']]);
  });
});

describe('a parameter that names a file', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'receptor-parameters-'));
    await writeFile(join(directory, 'pod.yml'), '\ufeffkind: Pod\r\nname: "é"\n');
    await writeFile(join(directory, 'f extra'), 'spaces');
    await writeFile(join(directory, 'binary'), Buffer.from([0xff, 0x00]));
    await writeFile(join(directory, 'closed'), 'x');
    await chmod(join(directory, 'closed'), 0);
    await mkdir(join(directory, 'folder'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  it('becomes the text of the file, unchanged', async () => {
    expect(
      await expandParameters({ a: '@pod.yml', b: `@${directory}/f extra`, c: 'x@y' }, { directory }),
    ).toEqual({
      a: '\ufeffkind: Pod\r\nname: "é"\n',
      b: 'spaces',
      c: 'x@y',
    });
  });

  it('stays as it is with two at-signs, both kept', async () => {
    expect(await expandParameters({ a: '@@pod.yml', b: '@@', c: '' }, { directory })).toEqual({
      a: '@@pod.yml',
      b: '@@',
      c: '',
    });
  });

  it.each([
    ['@nosuchfile', 'nosuchfile does not exist'],
    ['@', ' does not exist'],
    ['@pod.yml/x', 'pod.yml/x does not exist'],
    ['@~/x', '~/x does not exist'],
    ['@a\0b', 'a\0b does not exist'],
    ['@folder', 'could not read from file folder'],
    ['@binary', 'could not read from file binary'],
  ])('%j is refused', async (value, message) => {
    await expect(expandParameters({ secret_x: value }, { directory })).rejects.toMatchObject({
      code: 'RECEPTOR_PARAMETER_INVALID',
      message,
    });
  });

  it.skipIf(process.getuid?.() === 0)('is refused when it may not be read', async () => {
    await expect(expandParameters({ x: '@closed' }, { directory })).rejects.toMatchObject({
      message: 'could not read from file closed',
    });
  });

  it('is not read after an abort', async () => {
    const signal = AbortSignal.abort();
    await expect(expandParameters({ x: '@pod.yml' }, { directory, signal })).rejects.toMatchObject({
      code: 'RECEPTOR_ABORTED',
    });
  });
});
