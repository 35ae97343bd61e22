import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkConfiguration } from '../../../src/index.js';
import { nextStep } from '../../../src/next-steps.js';
import { openTun } from '../../../src/services/ip-router/tun.js';

vi.mock('koffi', () => {
  throw new Error('not installed');
});

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'receptor-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe.skipIf(process.platform !== 'linux')('without the package koffi', () => {
  it('an IP router cannot start, and what to do is told', async () => {
    const error = await openTun({ name: '', local: [1], peer: [2] }).then(
      () => new Error('it could'),
      (problem: Error) => problem,
    );
    expect(error.message).toMatch(/^error opening tun device: ip-router needs the package koffi/);
    expect(nextStep(error.message)).toBe('npm install koffi, without --omit=optional');
  });
});

it('its section is checked without the package koffi', async () => {
  const file = join(directory, 'node.yml');
  const write = (localnet: string) =>
    writeFileSync(
      file,
      `- node: {id: foo, datadir: ${directory}}\n- local-only\n- ip-router: {networkname: net, localnet: ${localnet}}\n`,
    );
  write('10.0.0.0/30');
  expect(await checkConfiguration(file)).toMatchObject({ problems: [], warnings: [] });
  write('10.0.0.0/24');
  const { problems } = await checkConfiguration(file);
  expect(problems.map(({ message }) => message)).toEqual(['local network 10.0.0.0/24 must be a /30 CIDR']);
});
