import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockData } from '../src/data-lock.js';

let root: string;
let directory: string;
let warnings: string[];
const log = { warning: (message: string) => warnings.push(message) };
beforeEach(() => {
  warnings = [];
  root = mkdtempSync(join(tmpdir(), 'receptor-'));
  directory = join(root, 'data', 'foo');
});
afterEach(() => rmSync(root, { recursive: true }));

describe('the lock of a data directory', () => {
  it('can be held once, names its holder, and is free after its release', async () => {
    const lock = await lockData(directory, log);
    expect(readFileSync(`${directory}.lock`, 'utf8')).toBe(`${process.pid}\n`);
    expect(lstatSync(`${directory}.lock`).mode & 0o777).toBe(0o600);
    await expect(lockData(directory, log)).rejects.toMatchObject({
      code: 'RECEPTOR_CONFIG_INVALID',
      message: expect.stringMatching(
        `^the data directory ${directory} is in use by another daemon \\(process ${process.pid}\\): stop that one`,
      ),
    });
    lock?.release();
    (await lockData(directory, log))?.release();
    expect(warnings).toEqual([]);
  });

  it('is of one node: another in the same datadir does not mind', async () => {
    const [first, second] = [await lockData(directory, log), await lockData(join(root, 'data', 'bar'), log)];
    first?.release();
    second?.release();
  });

  it('does not take a process ID that was left in the file for a holder', async () => {
    mkdirSync(join(root, 'data'));
    writeFileSync(`${directory}.lock`, `${process.ppid}\n`);
    (await lockData(directory, log))?.release();
    expect(warnings).toEqual([]);
  });

  it('that cannot be made is a warning: a node without units needs none', async () => {
    writeFileSync(join(root, 'data'), 'a file');
    expect(await lockData(directory, log)).toBeUndefined();
    expect(warnings).toEqual([
      `Could not lock the data directory ${directory} (not a directory): no other daemon must use it meanwhile`,
    ]);
  });
});
