import { ERROR_CODES } from '@receptor/protocol';
import { describe, expect, it } from 'vitest';
import { configurationPage } from './configuration.js';
import { CASES, errorsPage } from './errors.js';
import { runtimeParametersPage } from './runtime-parameters.js';
import { schemaFile } from './schema.js';

describe('the reference page', () => {
  // `pnpm run docs` is this test, told to write the pages instead.
  it.each([
    ['configuration.md', configurationPage],
    ['configuration.schema.json', schemaFile],
    ['errors.md', errorsPage],
    ['runtime-parameters.md', runtimeParametersPage],
  ])('%s says what the code says', async (name, page) => {
    await expect(page()).toMatchFileSnapshot(`../../../../docs/reference/${name}`);
  });

  it('of errors has a case for each code, and no other', () => {
    expect(Object.keys(CASES).sort()).toEqual(Object.keys(ERROR_CODES).sort());
  });
});
