/**
 * Loaded into a daemon (`--import`), it ends a process with SIGKILL at the daemon's n-th change of a file under a directory. The
 * daemon itself dies amid a write of which half is done, or before anything else is: so every state that a crash can leave on
 * disk is met in turn.
 *
 * KILL_UNDER the directory; KILL_ORDERS a file of JSON: `at` is n, from 1, `pid` whom to kill instead of the daemon, and
 * anything else makes it another order, for which steps are counted anew. Without the file none are counted;
 * KILL_LOG a file that gets a line for each step.
 */
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const { KILL_UNDER = '', KILL_ORDERS = '', KILL_LOG = '' } = process.env;
const { appendFileSync, readFileSync, readlinkSync, writeSync, openSync } = fs;
let orders = '';
let steps = 0;

function pathOf(where) {
  if (typeof where !== 'number') return String(where);
  try {
    return readlinkSync(`/proc/self/fd/${where}`);
  } catch {
    return '';
  }
}

/** The orders in force; steps are counted since they came. */
function currentOrders() {
  let text;
  try {
    text = readFileSync(KILL_ORDERS, 'utf8');
  } catch {
    return undefined;
  }
  if (text !== orders) steps = 0;
  orders = text;
  return JSON.parse(text);
}

/** Counts a change; where it is the chosen one, does half of it and dies. */
function change(what, where, half) {
  const path = pathOf(where);
  if (!path.startsWith(KILL_UNDER)) return;
  const order = currentOrders();
  if (!order) return;
  steps += 1;
  appendFileSync(KILL_LOG, `${steps} ${what} ${path.slice(KILL_UNDER.length)}\n`);
  if (steps !== order.at) return;
  if (order.pid !== undefined) {
    process.kill(order.pid, 'SIGKILL');
    return;
  }
  half?.();
  process.kill(process.pid, 'SIGKILL');
}

const halfOf = (data) => {
  const bytes = Buffer.isBuffer(data) ? data : Buffer.from(data);
  return bytes.subarray(0, bytes.length >> 1);
};
const writes = (flags) => typeof flags === 'string' && flags !== 'r';

function wrap(object, name, before) {
  const original = object[name];
  if (typeof original !== 'function') throw new Error(`there is no ${name} to watch`);
  object[name] = function watched(...args) {
    before.apply(this, args);
    return original.apply(this, args);
  };
  // What makes a promise of it looks for marks on the function.
  const { length, name: _, prototype, ...marks } = Object.getOwnPropertyDescriptors(original);
  Object.defineProperties(object[name], marks);
}

for (const name of ['rename', 'unlink', 'mkdir', 'rmdir', 'rm']) {
  wrap(fs, `${name}Sync`, (path) => change(name, path));
  wrap(promises, name, (path) => change(name, path));
}
wrap(fs, 'symlinkSync', (_target, path) => change('symlink', path));
wrap(fs, 'openSync', (path, flags) => writes(flags) && change('open', path));
wrap(promises, 'open', (path, flags) => writes(flags) && change('open', path));
const writeHalf = (file, data, options) =>
  writeSync(typeof file === 'number' ? file : openSync(file, 'w', options?.mode), halfOf(data));
wrap(fs, 'writeFileSync', (file, data, options) =>
  change('write', file, () => writeHalf(file, data, options)),
);
wrap(promises, 'writeFile', (file, data, options) =>
  change('write', file, () => writeHalf(file, data, options)),
);
wrap(fs, 'write', (fd, data) => change('write', fd, () => writeSync(fd, halfOf(data))));
const writevHalf = (fd, buffers) => change('write', fd, () => writeSync(fd, halfOf(Buffer.concat(buffers))));
wrap(fs, 'writev', writevHalf);
const handle = await promises.open('/dev/null');
const handles = Object.getPrototypeOf(handle);
await handle.close();
wrap(handles, 'writev', function watched(buffers) {
  writevHalf(this.fd, buffers);
});
wrap(handles, 'write', function watched(data, offset = 0) {
  change('write', this.fd, () => writeSync(this.fd, halfOf(data.subarray(offset))));
});
wrap(handles, 'truncate', function watched() {
  change('truncate', this.fd);
});
syncBuiltinESMExports();
