import { createReadStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isComplete, type UnitReport } from '@receptor/protocol';
import type { LargeJob } from './large-job.js';
import type { Line, Node } from './line.js';
import { type Digest, digest, noise } from './noise.js';

/** A unit with its output may take a byte in this many milliseconds at least, and so long besides. */
const SLOWEST_MS_PER_BYTE = 1 / 1000;
const PATIENCE_MS = 300_000;
const MEBIBYTE = 1 << 20;

/** How large a {@link LargeUnit} is. */
export interface LargeSizes {
  payloadBytes: number;
  resultBytes: number;
}

/** A unit with a large payload and large results that is submitted at the first node of a line and run by the last. */
export class LargeUnit {
  readonly #line: Line;
  readonly #job: LargeJob;
  readonly #payload: () => Iterable<Buffer>;
  readonly #signed: boolean;
  readonly #options: LargeSizes;
  readonly #patienceMs: number;
  #submits = 0;
  #sent: Digest = { sha256: '', size: 0 };
  #results: Digest = { sha256: '', size: 0 };
  #runs = 0;
  #near: UnitReport | undefined;
  #far: UnitReport | undefined;
  #id = '';
  #farId = '';
  #seconds = { submit: 0, all: 0 };

  /** @param title what its payload is made from */
  constructor(line: Line, job: LargeJob, title: string, signed: boolean, options: LargeSizes) {
    this.#line = line;
    this.#job = job;
    this.#payload = () => noise(title, options.payloadBytes);
    this.#signed = signed;
    this.#options = options;
    this.#patienceMs =
      PATIENCE_MS + Math.ceil((options.payloadBytes + options.resultBytes) * SLOWEST_MS_PER_BYTE);
  }

  /**
   * Has it done, and looks at its output and its states.
   * @param again a Go node does not try a submit again that broke off: it is submitted anew
   * @returns what was found wrong
   */
  async run(again: boolean): Promise<string[]> {
    const { first, last } = this.#line;
    const limit = AbortSignal.timeout(this.#patienceMs);
    const since = performance.now();
    this.#sent = await digest(this.#payload());
    this.#id = await this.#submit(again, limit);
    this.#seconds.submit = (performance.now() - since) / 1000;
    this.#results = await digest(first.client.results(this.#id, { signal: limit }));
    this.#seconds.all = (performance.now() - since) / 1000;
    this.#near = await completed(first, this.#id, limit);
    this.#farId = (this.#near.ExtraData as { RemoteUnitID: string }).RemoteUnitID;
    this.#far = await completed(last, this.#farId, limit);
    const wanted = await digest(this.#job.results(this.#payload, this.#sent));
    const found = {
      'what was read': this.#results,
      'the file at the first node': await digest(createReadStream(stdoutOf(first, this.#id))),
      'the file at the last node': await digest(createReadStream(stdoutOf(last, this.#farId))),
    };
    return [
      ...Object.entries(found)
        .filter(([, { sha256 }]) => sha256 !== wanted.sha256)
        .map(([place, { size }]) => `${place} is another, of ${size} of ${wanted.size} bytes`),
      ...[this.#near, this.#far]
        .filter(
          (unit) => unit.Detail !== this.#job.detail || unit.State !== 2 || unit.StdoutSize !== wanted.size,
        )
        .map(
          (unit) =>
            `a unit is ${unit.StateName}, ${unit.Detail}, with ${unit.StdoutSize} bytes: ${JSON.stringify(unit.ExtraData)}`,
        ),
    ];
  }

  /** @returns what is wrong with how often it has run */
  async judgeRuns(): Promise<string[]> {
    this.#runs = await this.#job.runs();
    // A unit whose submit a Go node gave up may have been started all the same: nobody can tell it.
    return [
      ...(this.#runs >= 1 && this.#runs <= this.#submits ? [] : [`it has run ${this.#runs} times`]),
      ...this.#job
        .payloads()
        .filter((sha256) => sha256 !== this.#sent.sha256)
        .map(() => 'it has run on another payload'),
    ];
  }

  /** Releases it. @returns what is left of it */
  async release(): Promise<string[]> {
    const { first, last } = this.#line;
    await first.client.releaseWork(this.#id);
    const places: [Node, string][] = [
      [first, this.#id],
      [last, this.#farId],
    ];
    for (const since = Date.now(); Date.now() - since < 60_000; await delay(100))
      if (!places.some(([node, id]) => existsSync(join(node.daemon.unitsDirectory, id)))) return [];
    return ['it was released, and is still there'];
  }

  /** What came of it, in a line. */
  summary(): string {
    const { submit, all } = this.#seconds;
    const { payloadBytes, resultBytes } = this.#options;
    return [
      `${this.#runs} run(s), ${this.#submits} submit(s)`,
      `${this.#near?.StateName} here, ${this.#far?.StateName} there`,
      `payload ${(payloadBytes / 1e6).toFixed(0)} MB ${this.#sent.sha256.slice(0, 8)} in ${submit.toFixed(1)} s`,
      `results ${(resultBytes / MEBIBYTE).toFixed(0)} MiB ${this.#results.sha256.slice(0, 8)} in ${(all - submit).toFixed(1)} s`,
    ].join('; ');
  }

  async #submit(again: boolean, limit: AbortSignal): Promise<string> {
    const { first, last } = this.#line;
    for (;;) {
      limit.throwIfAborted();
      this.#submits += 1;
      try {
        const { unitid } = await first.client.submitWork({
          node: last.id,
          workType: this.#job.workType,
          payload: this.#payload(),
          signWork: this.#signed,
          signal: limit,
        });
        return unitid;
      } catch (error) {
        if (!again) throw error;
        console.log(`  submitted again: ${error instanceof Error ? error.message : error}`);
        await delay(1000);
      }
    }
  }
}

const stdoutOf = ({ daemon }: Node, id: string) => join(daemon.unitsDirectory, id, 'stdout');

async function completed({ client }: Node, id: string, limit: AbortSignal): Promise<UnitReport> {
  for (;;) {
    const unit = await client.workStatus(id);
    if (isComplete(unit.State)) return unit;
    if (limit.aborted) throw new Error(`still ${unit.StateName}: ${unit.Detail}`);
    await delay(100);
  }
}
