/*
 * A node with a work type of its own, `sha256`: the checksum of a unit's payload, computed in the node's process.
 *
 *   node work-type.js --node id=foo --control-service filename=/tmp/foo.sock
 *   receptorctl --socket /tmp/foo.sock work submit sha256 --payload package.json --follow --rm
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { ReceptorError, WorkState } from '@receptor/protocol';
import { runNode } from './node.js';

/** One unit at work. @implements {import('@receptor/receptor').Worker} */
class Sha256 {
  #stop = new AbortController();
  #work = Promise.resolve();

  /** @param {import('@receptor/receptor').UnitHandle} unit */
  constructor(unit) {
    this.unit = unit;
  }

  /** Resolves when the work goes on in the background; how it ends is told by `unit.update`. */
  async start() {
    await this.unit.update({ state: WorkState.Running, detail: 'Reading the payload' });
    this.#work = this.#run();
  }

  /** Takes up the unit after a restart of the node. The payload is still there, so it is done once more. */
  resume() {
    return this.start();
  }

  async cancel() {
    await this.detach();
    await this.unit.update({ state: WorkState.Canceled, detail: 'Cancelled' });
  }

  /** Nothing is kept outside of the unit's directory. */
  async release() {}

  /** The node ends: nothing may be left behind, and the state stays as it is. */
  async detach() {
    this.#stop.abort();
    await this.#work;
  }

  async #run() {
    const { unit } = this;
    const { signal } = this.#stop;
    try {
      const hash = createHash('sha256');
      for await (const chunk of createReadStream(unit.stdinPath, { signal })) hash.update(chunk);
      await writeFile(unit.stdoutPath, `${hash.digest('hex')}\n`, { mode: 0o600, signal });
      unit.outputChanged();
      await unit.update({ state: WorkState.Succeeded, detail: 'Finished' });
    } catch (error) {
      if (!signal.aborted) await unit.update({ state: WorkState.Failed, detail: String(error) });
    }
  }
}

/** @type {import('@receptor/receptor').WorkType} */
const sha256 = {
  name: 'sha256',
  verifiesSignature: false,
  // Refuses a submission before there is a unit. What it returns is the unit's ExtraData.
  async prepare(parameters) {
    const [unknown] = Object.keys(parameters);
    if (unknown !== undefined)
      throw new ReceptorError('RECEPTOR_PARAMETER_NOT_ALLOWED', `${unknown} provided but not allowed`);
    return {};
  },
  createWorker: (unit) => new Sha256(unit),
};

await runNode({ workTypes: [sha256] });
