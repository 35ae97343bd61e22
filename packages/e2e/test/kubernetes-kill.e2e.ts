import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type DaemonProcess, startDaemon, temporaryDirectory } from '@receptor/e2e';
import { type Script, type Simulator, startSimulator } from '@receptor/kubernetes-simulator';
import { isComplete, ReceptorClient, type UnitReport, WorkState } from '@receptor/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const KILL_AT_STEP = fileURLToPath(new URL('./support/kill-at-step.mjs', import.meta.url));
const UNIT_LABEL = 'receptor/unit';
/** So many lives are lived at once: they mostly wait. */
const AT_ONCE = 4;

/** Bytes without carriage returns, which a log does not keep. */
const noise = (size: number) => Buffer.from(randomBytes(size).map((byte) => (byte === 13 ? 14 : byte)));
const PAYLOAD = noise(300_001);
const OUTPUT = Array.from({ length: 12 }, (_, i) => Buffer.concat([Buffer.from(`${i} `), noise(i * 997)]));
const WHOLE = Buffer.concat(OUTPUT);

let cluster: Simulator;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
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
  cluster = await startSimulator({ script: () => worker, pace: { imagePullMs: 0 } });
});

afterAll(async () => {
  await cluster.close();
  await directory.remove();
});

let lives = 0;

/** A daemon's directory, one life after the other. */
class Node {
  readonly path = join(directory.path, String(lives++));
  readonly trigger = join(this.path, 'trigger');
  readonly steps = join(this.path, 'steps');
  daemon: DaemonProcess | undefined;
  client: ReceptorClient | undefined;

  /** @param killAt the step at which it dies; undefined for a daemon that lives. */
  async start(killAt?: number, from?: string): Promise<void> {
    await mkdir(this.path, { recursive: true });
    const env = {
      NODE_OPTIONS: `--import=${KILL_AT_STEP}`,
      KILL_UNDER: join(this.path, 'data/'),
      KILL_AT: String(killAt),
      KILL_LOG: this.steps,
      ...(from ? { KILL_FROM: from } : {}),
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

  /** What was the last step before the end, for a message that helps. */
  lastStep(): string {
    return existsSync(this.steps) ? (readFileSync(this.steps, 'utf8').trim().split('\n').at(-1) ?? '') : '';
  }

  submit(): Promise<string> {
    const parameters = { secret_kube_config: cluster.kubeconfig() };
    return this.api
      .submitWork({ workType: 'kubeit', parameters, payload: PAYLOAD })
      .then((reply) => reply.unitid);
  }

  /** Waits for the unit's end. @throws where the daemon dies before */
  async ended(id: string): Promise<UnitReport> {
    for (;;) {
      const unit = await this.api.workStatus(id);
      if (isComplete(unit.State)) return unit;
      await sleep(50);
    }
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
      const signal = await Promise.race([this.daemon?.ended, sleep(5_000)]);
      if (signal === 'SIGKILL') return false;
      throw error;
    }
  }
}

const podsOf = (unit: string) =>
  cluster.pods().filter(({ metadata }) => metadata.labels?.[UNIT_LABEL] === unit);

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
    expect(unit).toMatchObject({ StdoutSize: WHOLE.length, Detail: 'Finished', ExtraData: { Gaps: [] } });
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
  await expect.poll(() => podsOf(id)).toEqual([]);
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

describe('a daemon that is killed at each step it leaves on disk', () => {
  test('from the submit to the end of the unit', async () => {
    const ends = new Map<string, number>();
    const steps = await atEachStep(async (step) => {
      const node = new Node();
      await node.start(step);
      let id: string | undefined;
      const lived = await node.survives(async () => {
        id = await node.submit();
        await node.ended(id);
      });
      const units = node.units();
      if (id !== undefined) expect(units).toEqual([id]);
      const mark = units[0] === undefined ? 'none' : markOf(node, units[0]);
      if (lived) await node.daemon?.kill();
      await node.start();
      try {
        const [found] = Object.keys(await node.api.workList());
        if (id !== undefined) expect(found).toBe(id);
        if (found !== undefined) {
          const { Detail } = await judge(node, found, mark);
          ends.set(Detail, (ends.get(Detail) ?? 0) + 1);
          // Whoever has been told that the job was started finds it started.
          if (id !== undefined) expect(Detail).not.toBe('Pending at restart');
          await releasedWithoutTrace(node, found);
        } else expect(node.units()).toEqual([]);
      } catch (error) {
        throw new Error(`killed at step ${node.lastStep()}`, { cause: error });
      } finally {
        await node.daemon?.stop();
      }
      return lived;
    });
    expect(steps).toBeGreaterThan(25);
    // All three ends were met: not begun, half sent, whole.
    expect([...ends.keys()].length).toBe(3);
  });
});
