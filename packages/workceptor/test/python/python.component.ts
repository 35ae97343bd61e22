import { lstatSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { pythonWorkType, type Workceptor } from '../../src/index.js';
import { processesNaming, watchForLeaks } from '../support/leaks.js';
import { completed, openNode, output, running, submit, temporaryDirectory, until } from '../support/node.js';

/**
 * A program that deals with its directory as receptor-python-worker does: it writes its status over the file in place, and
 * the results of the plugin to the output, one in a line.
 */
const PROGRAM = `#!${process.execPath}
const { appendFileSync, existsSync, readFileSync, writeFileSync } = require('node:fs');
const [directive, directory, given] = process.argv.slice(2);
const config = JSON.parse(given);
const name = directive.split(':')[1];
const status = JSON.parse(readFileSync(directory + '/status', 'utf8'));
const save = (State, Detail) => writeFileSync(directory + '/status', JSON.stringify({ ...status, State, Detail }));
const say = (result) => appendFileSync(directory + '/stdout', JSON.stringify(result) + '\\n');
if (name === 'nowhere') { console.log('Error initializing worker object: ValueError()'); process.exit(1); }
if (name === 'unknown') { save(3, 'Error loading worker: no such plugin'); process.exit(0); }
if (name === 'silent') process.exit(0);
save(0, 'Starting Python worker plugin');
process.on('SIGINT', () => { save(3, 'Killed by signal 2'); process.exit(0); });
const payload = readFileSync(directory + '/stdin', 'utf8');
save(1, 'Running');
console.log('what a plugin prints');
say({ directive, config, payload });
if (name === 'sleep') setInterval(() => {}, 1000);
else { save(2, 'Complete'); }
`;

let data: ReturnType<typeof temporaryDirectory>;
let leaks: ReturnType<typeof watchForLeaks>;
let node: Workceptor;
const { PATH } = process.env;
const workTypes = () =>
  ['echo', 'sleep', 'unknown', 'nowhere', 'silent'].map((name) =>
    pythonWorkType({
      workType: name,
      plugin: 'plug',
      function: name,
      config: { depth: { a: [1] } },
      graceMs: 2000,
    }),
  );

beforeEach(async () => {
  data = temporaryDirectory();
  leaks = watchForLeaks(data.path);
  writeFileSync(join(data.path, 'receptor-python-worker'), PROGRAM, { mode: 0o700 });
  process.env.PATH = `${data.path}:${PATH}`;
  node = await openNode(data.path, workTypes());
});

afterEach(async () => {
  process.env.PATH = PATH;
  await node.close();
  await leaks.assertNone();
  expect(processesNaming(data.path)).toEqual([]);
  data.remove();
});

test('calls the function with the payload and the configuration, and keeps its results only', async () => {
  const id = await submit(node, 'echo', {}, 'hello');
  expect(await completed(node, id)).toMatchObject({ StateName: 'Succeeded', Detail: 'Complete' });
  expect(JSON.parse(await output(node, id))).toEqual({
    directive: 'plug:echo',
    config: { depth: { a: [1] }, params: '' },
    payload: 'hello',
  });
  const directory = join(node.directory, id, 'python');
  expect(readFileSync(join(directory, 'log'), 'utf8')).toBe('what a plugin prints\n');
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  expect(lstatSync(join(directory, 'status')).mode & 0o777).toBe(0o600);
});

test.each([
  ['unknown', 'Error loading worker: no such plugin'],
  ['nowhere', 'exit status 1: Error initializing worker object: ValueError()'],
  ['silent', 'The Python worker ended without saying how'],
])('is failed when it says so, or nothing: %s', async (type, detail) => {
  const id = await submit(node, type);
  expect(await completed(node, id)).toMatchObject({ StateName: 'Failed', Detail: detail });
});

test('is failed where the program is not installed', async () => {
  process.env.PATH = '/nowhere';
  const id = await submit(node, 'echo');
  expect(await completed(node, id)).toMatchObject({
    StateName: 'Failed',
    Detail: 'exec: "receptor-python-worker": executable file not found in $PATH',
  });
});

test('is cancelled by an interrupt', async () => {
  const id = await submit(node, 'sleep');
  expect(await running(node, id)).toMatchObject({ Detail: 'Running' });
  await until(() => readFileSync(join(node.directory, id, 'stdout'), 'utf8').includes('plug:sleep'));
  await node.cancel(id);
  expect(await node.status(id)).toMatchObject({ StateName: 'Canceled' });
  await node.release(id);
});

test('goes on while the node is restarted', async () => {
  const id = await submit(node, 'sleep');
  await running(node, id);
  await node.close();
  node = await openNode(data.path, workTypes());
  expect(await node.status(id)).toMatchObject({ StateName: 'Running' });
  await node.cancel(id);
  expect(await node.status(id)).toMatchObject({ StateName: 'Canceled' });
});

test('takes no parameters of a submit', async () => {
  await expect(submit(node, 'echo', { params: 'x' })).rejects.toThrow(
    'extra params provided but not allowed',
  );
});
