import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DaemonEnded, type DaemonProcess, startDaemon, temporaryDirectory } from '@receptor/e2e';
import { type Script, type Simulator, startSimulator } from '@receptor/kubernetes-simulator';
import { isComplete, ReceptorClient, type UnitReport, WorkState } from '@receptor/protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

const KILL_AT_STEP = fileURLToPath(new URL('./support/kill-at-step.mjs', import.meta.url));
const UNIT_LABEL = 'receptor/unit';
/** So many lives are lived at once: they mostly wait. */
const AT_ONCE = 4;

/** Text in lines of all lengths: of binary output that only the log has, it is never sure that it is whole. */
const noise = (size: number) => Buffer.from(randomBytes(size).toString('base64').replaceAll('/', '\n'));
const PAYLOAD = randomBytes(300_001);
const OUTPUT = Array.from({ length: 12 }, (_, i) => Buffer.concat([Buffer.from(`${i} `), noise(i * 997)]));
const WHOLE = Buffer.concat(OUTPUT);

let cluster: Simulator;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
/** What runs in the pods, unless a test says otherwise. */
let script: Script;
/** What the workers of each unit were given: one entry for each that ran. */
const given = new Map<string, Buffer[]>();

/** A worker that reads its payload, then writes for longer than it takes until a checkpoint is saved. */
const worker: Script = async (io) => {
  const unit = String(io.pod.metadata.labels?.[UNIT_LABEL]);
  const runs = given.get(unit) ?? [];
  given.set(unit, runs);
  const run = runs.push(Buffer.alloc(0)) - 1;
  for await (const chunk of io.stdin) runs[run] = Buffer.concat([runs[run] ?? Buffer.alloc(0), chunk]);
  for (const piece of OUTPUT) {
    await io.stdout(piece);
    await sleep(60, undefined, { signal: io.signal });
  }
};

beforeAll(async () => {
  directory = await temporaryDirectory();
  // A log that is rotated while a slow machine starts the next daemon has lost something: that is tested elsewhere.
  const log = { maxBytes: Number.POSITIVE_INFINITY };
  cluster = await startSimulator({ script: () => script, pace: { imagePullMs: 0 }, log });
});

afterAll(async () => {
  // What a test that failed has left.
  await Promise.all(nodes.map((node) => node.daemon?.kill()));
  await cluster.close();
  await directory.remove();
});

beforeEach(() => {
  script = worker;
});

const nodes: Node[] = [];

/** A daemon's directory, one life after the other. */
class Node {
  readonly path = join(directory.path, String(nodes.length));
  readonly steps = join(this.path, 'steps');
  readonly #orders = join(this.path, 'orders');
  #killAt: number | undefined;
  daemon: DaemonProcess | undefined;
  client: ReceptorClient | undefined;

  constructor() {
    nodes.push(this);
  }

  /**
   * @param killAt the step at which it dies; undefined for a daemon that lives
   * @param waits whether steps are counted only from the {@link trigger} on
   */
  async start(killAt?: number, waits = false): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await rm(this.#orders, { force: true });
    this.#killAt = killAt;
    if (killAt !== undefined && !waits) this.#order();
    const env = {
      NODE_OPTIONS: `--import=${KILL_AT_STEP}`,
      KILL_UNDER: join(this.path, 'data/'),
      KILL_ORDERS: this.#orders,
      KILL_LOG: this.steps,
    };
    this.client?.close();
    this.daemon = await startDaemon({
      directory: this.path,
      sections: [
        {
          'work-kubernetes': {
            worktype: 'kubeit',
            authmethod: 'runtime',
            allowruntimeauth: true,
            image: 'any',
          },
        },
      ],
      ...(killAt === undefined ? {} : { env }),
    });
    this.client = new ReceptorClient(this.daemon.socket);
  }

  get api(): ReceptorClient {
    if (!this.client) throw new Error('the daemon was not started');
    return this.client;
  }

  units(): string[] {
    const units = join(this.path, 'data', 'foo');
    return existsSync(units) ? readdirSync(units) : [];
  }

  /** From here on steps are counted. */
  trigger<T>(what: () => Promise<T>): Promise<T> {
    this.#order();
    return what();
  }

  #order(): void {
    writeFileSync(`${this.#orders}.new`, JSON.stringify({ at: this.#killAt }));
    renameSync(`${this.#orders}.new`, this.#orders);
  }

  /** What was the last step before the end, for a message that helps. */
  lastStep(): string {
    return existsSync(this.steps) ? (readFileSync(this.steps, 'utf8').trim().split('\n').at(-1) ?? '') : '';
  }

  submit(payload = PAYLOAD): Promise<string> {
    const parameters = { secret_kube_config: cluster.kubeconfig() };
    return this.api.submitWork({ workType: 'kubeit', parameters, payload }).then((reply) => reply.unitid);
  }

  /** Waits for the unit's end. @throws where the daemon dies before */
  async ended(id: string): Promise<UnitReport> {
    for (;;) {
      const unit = await this.api.workStatus(id);
      if (isComplete(unit.State)) return unit;
      await sleep(50);
    }
  }

  /** Waits for the unit's first output. */
  async hasOutput(id: string): Promise<void> {
    while ((await this.api.workStatus(id)).StdoutSize === 0) await sleep(20);
  }

  async output(id: string): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.api.results(id)) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }

  /** Whether the daemon died of its step while this was done. */
  async survives(what: () => Promise<unknown>): Promise<boolean> {
    try {
      await what();
      return true;
    } catch (error) {
      const killed =
        error instanceof DaemonEnded ? error : await Promise.race([this.daemon?.ended, sleep(5_000)]);
      if (killed?.signal === 'SIGKILL') return false;
      throw error;
    }
  }
}

const podsOf = (unit: string) =>
  cluster.pods().filter(({ metadata }) => metadata.labels?.[UNIT_LABEL] === unit);

/** Names of a unit's pods that nobody has deleted. */
const remainingPodsOf = (unit: string) =>
  podsOf(unit).flatMap(({ metadata }) => (metadata.deletionTimestamp ? [] : [metadata.name]));

/**
 * How a unit has ended, without a doubt that the daemon may have: on a slow machine so much time passes until the next one
 * listens that it cannot know whether the log was rotated.
 */
const endOf = ({ Detail }: UnitReport) =>
  Detail.replace(/^(Finished) with exit code 0, but the output was not listened to in .*$/, '$1');

/** What must be true of a unit after any crash: one pod at most, a payload given once at most, an honest end. */
async function judge(node: Node, id: string, mark: string): Promise<UnitReport> {
  const unit = await node.ended(id);
  const runs = given.get(id) ?? [];
  expect(runs.length).toBeLessThanOrEqual(1);
  const payload = runs[0] ?? Buffer.alloc(0);
  expect(payload.equals(PAYLOAD.subarray(0, payload.length)), 'no byte of the payload came twice').toBe(true);
  if (unit.State === WorkState.Succeeded) {
    expect(payload.length).toBe(PAYLOAD.length);
    expect((await node.output(id)).equals(WHOLE), 'the output is identical').toBe(true);
    expect(unit).toMatchObject({ StdoutSize: WHOLE.length, ExtraData: { Gaps: [] } });
    expect(endOf(unit)).toBe('Finished');
    expect(podsOf(id).length).toBe(1);
  } else if (mark === 'sending') {
    expect(unit).toMatchObject({
      State: WorkState.Failed,
      Detail: expect.stringMatching(
        /^Error with pod's stdin: The payload was not delivered: the daemon ended/,
      ),
    });
  } else {
    expect(unit).toMatchObject({ State: WorkState.Failed, Detail: 'Pending at restart' });
    expect(runs.length).toBe(0);
    expect(podsOf(id)).toEqual([]);
  }
  return unit;
}

/** How far the payload of a unit has come, as its directory has it. */
function markOf(node: Node, id: string): string {
  const file = join(node.path, 'data', 'foo', id, 'kube-stdin');
  return existsSync(file) ? readFileSync(file, 'utf8') : 'none';
}

async function releasedWithoutTrace(node: Node, id: string): Promise<void> {
  await node.api.releaseWork(id);
  expect(node.units()).toEqual([]);
  expect(remainingPodsOf(id)).toEqual([]);
}

/** Lives one life for each step, until one was lived to its end; returns how many there were. */
async function atEachStep(live: (step: number) => Promise<boolean>): Promise<number> {
  let next = 1;
  let last = Number.POSITIVE_INFINITY;
  const lane = async () => {
    while (next < last) {
      const step = next++;
      if (await live(step)) last = Math.min(last, step);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return last - 1;
}

/** Starts a daemon in the place of the one that was killed, and judges the unit that it finds, if it finds one. */
async function aftermath(node: Node, id: string | undefined): Promise<string | undefined> {
  const units = node.units();
  if (id !== undefined) expect(units).toEqual([id]);
  const mark = units[0] === undefined ? 'none' : markOf(node, units[0]);
  await node.start();
  try {
    const [found] = Object.keys(await node.api.workList());
    if (id !== undefined) expect(found).toBe(id);
    if (found === undefined) {
      expect(node.units()).toEqual([]);
      return undefined;
    }
    const end = endOf(await judge(node, found, mark));
    // Whoever has been told that the job was started finds it started.
    if (id !== undefined) expect(end).not.toBe('Pending at restart');
    await releasedWithoutTrace(node, found);
    return end;
  } catch (error) {
    throw new Error(`killed at step ${node.lastStep()}`, { cause: error });
  } finally {
    await node.daemon?.stop();
  }
}

describe('a daemon that is killed at each step it leaves on disk', () => {
  test('from the submit to the end of the unit', async () => {
    const ends = new Set<string>();
    const steps = await atEachStep(async (step) => {
      const node = new Node();
      let id: string | undefined;
      const lived = await node.survives(async () => {
        await node.start(step);
        id = await node.submit();
        await node.ended(id);
      });
      await node.daemon?.kill();
      const detail = await aftermath(node, id);
      if (detail !== undefined) ends.add(detail);
      return lived;
    });
    expect(steps).toBeGreaterThan(25);
    expect([...ends]).toEqual(expect.arrayContaining(['Pending at restart', 'Finished']));
  });

  test('while it takes up a unit after a crash', async () => {
    const steps = await atEachStep(async (step) => {
      const node = new Node();
      await node.start();
      const id = await node.submit();
      await node.hasOutput(id);
      await node.daemon?.kill();
      const lived = await node.survives(async () => {
        await node.start(step);
        await node.ended(id);
      });
      await node.daemon?.kill();
      expect(await aftermath(node, id)).toBe('Finished');
      return lived;
    });
    expect(steps).toBeGreaterThan(5);
  });

  test('while a unit is cancelled', async () => {
    const outcomes = new Set<string>();
    const steps = await atEachStep(async (step) => {
      const node = new Node();
      await node.start(step, true);
      const id = await node.submit();
      await node.hasOutput(id);
      const lived = await node.survives(() => node.trigger(() => node.api.cancelWork(id)));
      await node.daemon?.kill();
      await node.start();
      // Where the cancel had not begun, the unit goes on, as nobody was told that it would not.
      const unit = await node.ended(id);
      outcomes.add(endOf(unit));
      if (unit.State === WorkState.Canceled) expect(remainingPodsOf(id)).toEqual([]);
      else await judge(node, id, 'sent');
      await releasedWithoutTrace(node, id);
      await node.daemon?.stop();
      return lived;
    });
    expect(steps).toBeGreaterThan(4);
    expect([...outcomes].sort()).toEqual(['Canceled', 'Finished']);
  });

  test('while a unit is released', async () => {
    const steps = await atEachStep(async (step) => {
      const node = new Node();
      await node.start(step, true);
      const id = await node.submit();
      await node.ended(id);
      const lived = await node.survives(() => node.trigger(() => node.api.releaseWork(id)));
      await node.daemon?.kill();
      await node.start();
      if (!lived) {
        const units = Object.keys(await node.api.workList());
        expect(units).toEqual(node.units());
        if (units.length > 0) await node.api.releaseWork(id);
      }
      expect(node.units()).toEqual([]);
      expect(remainingPodsOf(id)).toEqual([]);
      await node.daemon?.stop();
      return lived;
    });
    expect(steps).toBeGreaterThan(2);
  });
});

describe('a daemon that is killed at each request to Kubernetes', () => {
  test.each(['before it is received', 'before its answer is read'])('%s', async (moment) => {
    let requests = 0;
    for (let nth = 1; nth <= requests || requests === 0; nth++) {
      const node = new Node();
      await node.start();
      let count = 0;
      const takeBack = cluster.faults.add('*', () => {
        count += 1;
        if (count !== nth || !node.daemon) return undefined;
        if (moment === 'before it is received') {
          process.kill(node.daemon.pid, 'SIGKILL');
          return { hangUp: true };
        }
        // It stands still until the request was done, and never learns of it.
        process.kill(node.daemon.pid, 'SIGSTOP');
        setTimeout(() => node.daemon?.kill(), 100);
        return undefined;
      });
      let id: string | undefined;
      const lived = await node.survives(async () => {
        id = await node.submit();
        await node.ended(id);
      });
      takeBack();
      await node.daemon?.kill();
      await aftermath(node, id);
      if (lived) requests = count;
      else requests = Math.max(requests, nth + 1);
    }
    expect(requests).toBeGreaterThan(4);
  });
});

describe('a daemon that is killed at random moments', () => {
  test('of an output, again and again: it is identical', async () => {
    const pieces = Array.from({ length: 300 }, () => noise(randomInt(1, 60_000)));
    script = async (io) => {
      for (const piece of pieces) {
        await io.stdout(piece);
        await sleep(10);
      }
    };
    const whole = Buffer.concat(pieces);
    await Promise.all(
      Array.from({ length: 3 }, async () => {
        const node = new Node();
        await node.start();
        const id = await node.submit(Buffer.alloc(0));
        for (let kills = 0; kills < 6; kills++) {
          await sleep(randomInt(20, 600));
          await node.daemon?.kill();
          await node.start();
        }
        expect(await node.ended(id)).toMatchObject({ State: WorkState.Succeeded, ExtraData: { Gaps: [] } });
        expect((await node.output(id)).equals(whole)).toBe(true);
        expect(podsOf(id).length).toBe(1);
        await releasedWithoutTrace(node, id);
        await node.daemon?.stop();
      }),
    );
  });

  test('of a payload on its way: it comes whole or the unit fails and says so, and never twice', async () => {
    const payload = randomBytes(6_000_000);
    const received = new Map<string, Buffer[]>();
    script = async (io) => {
      const chunks: Buffer[] = [];
      received.set(String(io.pod.metadata.labels?.[UNIT_LABEL]), chunks);
      for await (const chunk of io.stdin) {
        chunks.push(chunk);
        await sleep(3);
      }
    };
    const ends = new Set<number>();
    await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const node = new Node();
        await node.start();
        const id = await node.submit(payload);
        while (markOf(node, id) === 'none') await sleep(5);
        // The last ones wait until it has arrived.
        if (i < 6) await sleep(randomInt(0, 500));
        else while (markOf(node, id) !== 'sent') await sleep(5);
        await node.daemon?.kill();
        const mark = markOf(node, id);
        await node.start();
        const unit = await node.ended(id);
        ends.add(unit.State);
        const got = Buffer.concat(received.get(id) ?? []);
        expect(got.equals(payload.subarray(0, got.length))).toBe(true);
        if (mark === 'sent') {
          expect(unit.State).toBe(WorkState.Succeeded);
          expect(endOf(unit)).toBe('Finished');
          expect(got.length).toBe(payload.length);
        } else {
          expect(unit.State).toBe(WorkState.Failed);
          expect(unit.Detail).toMatch(/payload was not delivered: the daemon ended while it was sent/);
          // What had half of its input does not go on with it.
          for (const { metadata, status } of podsOf(id))
            expect(
              metadata.deletionTimestamp ?? status.containerStatuses?.[0]?.state.terminated,
            ).toBeDefined();
        }
        await releasedWithoutTrace(node, id);
        await node.daemon?.stop();
      }),
    );
    expect(ends).toEqual(new Set([WorkState.Succeeded, WorkState.Failed]));
  });
});
