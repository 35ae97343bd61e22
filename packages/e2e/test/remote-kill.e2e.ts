import { existsSync, readFileSync } from 'node:fs';
import { goReceptor, type Program, receptor } from '@receptor/e2e';
import { type UnitReport, WorkState } from '@receptor/protocol';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SKIPPED } from './support/mesh.js';
import { MortalLine, type MortalNode, type Place } from './support/mortal-line.js';

const OURS = receptor;
const GO = goReceptor as Program;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startLine(victim: Place, programs = [OURS, OURS, OURS] as const): Promise<MortalLine> {
  const line = await MortalLine.start(programs, victim);
  cleanups.push(() => line.close());
  return line;
}

/** A job for the far node: it leaves a line there for each time that it has run, and puts out numbers. */
class Job {
  static #number = 0;
  readonly #line: MortalLine;
  readonly #ledger: string;
  readonly payload: string;

  /** @param ending what it does between the first half of its output and the second */
  constructor(line: MortalLine, ending = 'sleep 0.15') {
    this.#line = line;
    this.#ledger = line.file(`ledger${++Job.#number}`);
    this.payload = `echo $$ >>${this.#ledger}; seq 1 1500; ${ending}; seq 1501 3000`;
  }

  /** The processes that have run it. */
  runs(): number[] {
    return existsSync(this.#ledger) ? readFileSync(this.#ledger, 'utf8').trim().split('\n').map(Number) : [];
  }

  async submit(onUnit: (id: string) => void = () => {}): Promise<string> {
    const { near, far } = this.#line;
    const work = { node: far.id, workType: 'sh', payload: this.payload };
    return (await near.api.submitWork({ ...work, onUnit })).unitid;
  }

  /** Has it submitted, and waits until its first output is at the near node. */
  async submitRunning(): Promise<string> {
    const id = await this.submit();
    await vi.waitFor(
      async () => expect((await this.#line.near.api.workStatus(id)).StdoutSize).toBeGreaterThan(0),
      { timeout: 20_000, interval: 5 },
    );
    return id;
  }

  /** It has run once, to its end, and all of that is known at the near node. */
  async isDone(unit: UnitReport, id: string): Promise<void> {
    expect(unit).toMatchObject({ State: WorkState.Succeeded, Detail: 'exit status 0' });
    expect(await output(this.#line.near, id)).toBe(NUMBERS);
    expect(this.runs()).toHaveLength(1);
  }
}

const NUMBERS = Array.from({ length: 3000 }, (_, i) => `${i + 1}\n`).join('');

async function output(node: MortalNode, id: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of node.api.results(id)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** Nothing of any unit is left at either end, nor any promise to end one. */
async function untilNoTrace({ near, far }: MortalLine): Promise<void> {
  await vi.waitFor(
    () => {
      for (const node of [near, far])
        expect([node.id, node.units(), node.leftovers()]).toEqual([node.id, [], []]);
    },
    { timeout: 30_000, interval: 10 },
  );
}

/** The process is gone. */
const isGone = (pid: number | undefined) => pid !== undefined && !existsSync(`/proc/${pid}`);

/**
 * Lives one life after the other, in each of which a node is killed at the next thing that the watched one changes on disk, and
 * starts again at once; until nobody had to die.
 * @param live returns what a failure is to say about it, if anything
 * @returns how many deaths there were
 */
async function atEachStep(
  line: MortalLine,
  watched: MortalNode,
  victim: MortalNode,
  live: (life: Life) => Promise<void>,
): Promise<number> {
  for (let step = 1; ; step++) {
    const life = new Life(watched, victim, step);
    try {
      await live(life);
      await life.end();
      await untilNoTrace(line);
    } catch (error) {
      const states = line.nodes.map((node) => `--- ${node.id}\n${node.daemon.log()}`).join('\n');
      throw new Error(`life with the death at step ${step}, ${watched.steps().at(-1)}\n${states}`, {
        cause: error,
      });
    }
    if (!life.wasKilled) return step - 1;
  }
}

/** A life that is lived with a death ahead. */
class Life {
  readonly #watched: MortalNode;
  readonly #victim: MortalNode;
  readonly #step: number;
  #dying: Promise<void> | undefined;
  wasKilled = false;

  constructor(watched: MortalNode, victim: MortalNode, step: number) {
    this.#watched = watched;
    this.#victim = victim;
    this.#step = step;
  }

  /** From here on steps are counted. */
  begin(): void {
    this.#watched.order(this.#step, this.#victim);
    this.#dying = this.#victim.daemon.ended.then(async () => {
      this.wasKilled = true;
      this.#watched.pardon();
      await this.#victim.start();
    });
    // Whoever waits for it hears of it; a life that failed before does not.
    this.#dying.catch(() => undefined);
  }

  /** Does something that the victim's death may prevent; whether it was done. */
  async attempt(what: () => Promise<unknown>): Promise<boolean> {
    const done = await this.#victim.survives(what);
    if (!done) await this.#dying;
    return done;
  }

  /** Nobody is killed from here on. */
  async end(): Promise<void> {
    this.#watched.pardon();
    if (this.wasKilled) await this.#dying;
  }
}

describe('the far one of three nodes, killed at each step it leaves on disk', () => {
  test('from the submit to the release', async () => {
    const line = await startLine('far');
    const steps = await atEachStep(line, line.far, line.far, (life) => untouched(line, life));
    expect(steps).toBeGreaterThan(15);
  });

  test('from the cancel to the release', async () => {
    const line = await startLine('far');
    const steps = await atEachStep(line, line.far, line.far, (life) => cancelled(line, life));
    expect(steps).toBeGreaterThan(5);
  });
});

/** A job of which its submitter must not notice that another node dies. */
async function untouched(line: MortalLine, life: Life): Promise<void> {
  const { near } = line;
  const job = new Job(line);
  life.begin();
  const id = await job.submit();
  await job.isDone(await near.ended(id), id);
  await near.api.releaseWork(id);
  expect(near.units()).toEqual([]);
}

/** How a running job that was cancelled may have ended. */
const ENDS_OF_CANCELLED = ['Canceled', 'signal: interrupt'];

/** A running job that is cancelled, whoever dies meanwhile, and released. */
async function cancelled(line: MortalLine, life: Life): Promise<void> {
  const { near, far } = line;
  const job = new Job(line, 'exec sleep 60');
  const id = await job.submitRunning();
  life.begin();
  // Who was told nothing asks again.
  if (!(await life.attempt(() => near.api.cancelWork(id)))) await near.api.cancelWork(id);
  // A far node that dies between its signal and its note of that finds, when it is back, what the signal did.
  expect(ENDS_OF_CANCELLED).toContain((await near.ended(id)).Detail);
  await vi.waitFor(() => expect(isGone(job.runs()[0])).toBe(true), { timeout: 10_000, interval: 10 });
  expect(job.runs()).toHaveLength(1);
  const [remote] = far.units();
  if (remote !== undefined)
    await vi.waitFor(
      async () => expect(ENDS_OF_CANCELLED).toContain((await far.api.workStatus(remote)).Detail),
      { timeout: 10_000, interval: 10 },
    );
  if (!(await life.attempt(() => near.api.releaseWork(id))) && near.units().includes(id))
    await near.api.releaseWork(id);
}

describe('the middle one of three nodes, killed at each step of another', () => {
  test.each(['near', 'far'] as const)('that of the %s one', async (name) => {
    const line = await startLine('middle');
    const steps = await atEachStep(line, line[name], line.middle, (life) => untouched(line, life));
    expect(steps).toBeGreaterThan(15);
  });

  test.skipIf(!GO)(`a Go node${SKIPPED}`, async () => {
    const line = await startLine('middle', [OURS, GO, OURS]);
    const steps = await atEachStep(line, line.near, line.middle, (life) => untouched(line, life));
    expect(steps).toBeGreaterThan(15);
  });
});

describe('the near one of three nodes, killed at each step it leaves on disk', () => {
  test('from the submit to the release', async () => {
    const line = await startLine('near');
    const { near } = line;
    const details = new Set<string>();
    const steps = await atEachStep(line, near, near, async (life) => {
      const job = new Job(line);
      let [id, told, releasing]: [string | undefined, boolean, boolean] = [undefined, false, false];
      life.begin();
      await life.attempt(async () => {
        await job.submit((given) => {
          id = given;
        });
        told = true;
        await job.isDone(await near.ended(id as string), id as string);
        releasing = true;
        await near.api.releaseWork(id as string);
      });
      if (!life.wasKilled) return;
      const found = near.units();
      // Whoever has the ID of a unit finds it.
      if (id !== undefined && !releasing) expect(found).toEqual([id]);
      await vi.waitFor(async () => expect(Object.keys(await near.api.workList())).toEqual(near.units()), {
        timeout: 5_000,
        interval: 10,
      });
      for (const each of near.units()) {
        const unit = await near.ended(each);
        if (releasing) {
          // Its output and the unit on the far node may be gone already: what counts is that it can be released again.
          expect(job.runs()).toHaveLength(1);
          await near.api.releaseWork(each);
          continue;
        }
        details.add(unit.Detail);
        if (told || unit.Detail !== 'Pending at restart') await job.isDone(unit, each);
        else expect([unit.State, job.runs()]).toEqual([WorkState.Failed, []]);
        await near.api.releaseWork(each);
      }
    });
    expect(steps).toBeGreaterThan(20);
    expect([...details].sort()).toEqual(['Pending at restart', 'exit status 0']);
  });

  test('from the cancel to the release', async () => {
    const line = await startLine('near');
    const steps = await atEachStep(line, line.near, line.near, (life) => cancelled(line, life));
    expect(steps).toBeGreaterThan(5);
  });
});
