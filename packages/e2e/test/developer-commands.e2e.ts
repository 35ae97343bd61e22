import { fileURLToPath } from 'node:url';
import { run } from '@receptor/e2e';
import { expect, test } from 'vitest';

const COMMANDS = {
  soak: '../dist/soak/main.js',
  bench: '../dist/bench/main.js',
  simulate: '../../netceptor/dist/simulation/main.js',
  fuzz: '../../netceptor/dist/fuzz/main.js',
  leaks: '../../netceptor/dist/leaks/main.js',
};

async function call(
  script: string,
  ...args: string[]
): Promise<{ code: number | null; out: string; err: string }> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { code, stdout, stderr } = await run({ command: process.execPath, prefix: [path] }, args);
  return { code, out: stdout.toString(), err: stderr.toString() };
}

test.each(Object.entries(COMMANDS))('pnpm %s --help tells how it is used', async (name, script) => {
  const { code, out, err } = await call(script, '--help');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(new RegExp(`^usage: pnpm ${name} `));
});

test.each(Object.entries(COMMANDS))('pnpm %s says that it does not know an option', async (name, script) => {
  const { code, out, err } = await call(script, '--nothing');
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toMatch(new RegExp(`--nothing.*\\n\\nusage: pnpm ${name} `));
});

test.each([
  ['soak', '--units', 'many', "--units: 'many' is not a number from 0"],
  ['simulate', '--graph', 'tangle', '--graph: there is no tangle'],
  ['fuzz', '--target', 'moon', '--target: there is no moon'],
  ['leaks', '--scale', '-', '--scale: - is not a number above 0'],
] as const)('pnpm %s %s=%s says what is wrong with the value', async (name, option, value, problem) => {
  const { code, err } = await call(COMMANDS[name], `${option}=${value}`);
  expect({ code, problem: err.split('\n')[0] }).toEqual({ code: 2, problem });
});
