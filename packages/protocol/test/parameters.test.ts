import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandParameters, parseParameters, ReceptorError } from '../src/index.js';

const key = fc.string().map((text) => text.replaceAll('=', ''));

describe('work parameters', () => {
  it('are what was written, and of the same key the last', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.string())), (pairs) => {
        const read = parseParameters(pairs.map(([name, value]) => `${name}=${value}`));
        expect(new Map(Object.entries(read))).toEqual(new Map(pairs));
      }),
    );
  });

  it('take words on as params', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), fc.option(fc.string()), (words, given) => {
        const read = parseParameters(given === null ? [] : [`params=${given}`], words);
        expect(read.params).toBe([...(given === null ? [] : [given]), ...words].join(' '));
      }),
    );
  });

  it('need a sign between key and value', () => {
    fc.assert(
      fc.property(key, (text) => {
        expect(() => parseParameters([text])).toThrow(ReceptorError);
      }),
    );
  });

  it('are not touched where no value names a file', async () => {
    const value = fc.oneof(
      fc.string().filter((text) => !text.startsWith('@')),
      fc.string().map((text) => `@@${text}`),
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(key, value), async (parameters) => {
        expect(new Map(Object.entries(await expandParameters(parameters)))).toEqual(
          new Map(Object.entries(parameters)),
        );
      }),
    );
  });
});
