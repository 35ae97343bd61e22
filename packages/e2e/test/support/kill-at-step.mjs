/**
 * Loaded into a daemon (`--import`), it ends the process with SIGKILL at its n-th change of a file under a directory:
 * a write is done half first, anything else not at all. So every state that a crash can leave on disk is met in turn.
 *
 * KILL_UNDER the directory; KILL_AT n, from 1; KILL_FROM a file: what happens before it exists is not counted;
 * KILL_LOG a file that gets a line for each step.
 */
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const { KILL_UNDER = '', KILL_AT = '0', KILL_FROM, KILL_LOG = '' } = process.env;
const { appendFileSync, existsSync, readlinkSync, writeSync, openSync } = fs;
let steps = 0;

function pathOf(where) {
  if (typeof where !== 'number') return String(where);
  try {
    return readlinkSync(`/proc/self/fd/${where}`);
  } catch {
    return '';
  }
}

/** Counts a change; where it is the chosen one, does half of it and dies. */
function change(what, where, half) {
  const path = pathOf(where);
  if (!path.startsWith(KILL_UNDER) || (KILL_FROM && !existsSync(KILL_FROM))) return;
  steps += 1;
  appendFileSync(KILL_LOG, `${steps} ${what} ${path.slice(KILL_UNDER.length)}\n`);
  if (steps !== Number(KILL_AT)) return;
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
}

for (const name of ['rename', 'unlink', 'mkdir', 'rmdir', 'rm']) {
  wrap(fs, `${name}Sync`, (path) => change(name, path));
  wrap(promises, name, (path) => change(name, path));
}
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
const handle = await promises.open('/dev/null');
const handles = Object.getPrototypeOf(handle);
await handle.close();
wrap(handles, 'writev', function watched(buffers) {
  change('write', this.fd, () => writeSync(this.fd, halfOf(Buffer.concat(buffers))));
});
wrap(handles, 'truncate', function watched() {
  change('truncate', this.fd);
});
syncBuiltinESMExports();
