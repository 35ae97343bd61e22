import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, duplexPair, Transform } from 'node:stream';
import { isComplete, type UnitReport } from '@receptor/protocol';
import { type RemoteAccess, Workceptor } from '@receptor/workceptor';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type RunningDaemon, runDaemon } from '../control/running-daemon.js';

/** Where a connection breaks: at a byte of what the submitting node sends, or of what the other one does. */
interface Cut {
  readonly connection: number;
  readonly direction: 'there' | 'back';
  readonly byte: number;
  /** Whether nothing breaks: the connection falls silent, and then the node is known to have come back. */
  readonly silent?: boolean;
}

let executor: RunningDaemon;
beforeAll(async () => {
  executor = await runDaemon(
    '- local-only\n- work-command: {worktype: sh, command: sh}\n',
    undefined,
    'beta',
  );
});
afterAll(() => executor.end());

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** Passes bytes on, up to the one at which it says so; nothing is taken after that, neither bytes nor their end. */
function meter(limit: number, onLimit: () => void, rewrite?: (text: string) => string): Transform {
  let passed = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const data = rewrite ? Buffer.from(rewrite(chunk.toString('latin1')), 'latin1') : chunk;
      const part = data.subarray(0, Math.max(0, limit - passed));
      passed += part.length;
      if (part.length > 0) this.push(part);
      if (part.length === data.length) return done();
      setImmediate(onLimit);
    },
  });
}

/** The way to the executor, which breaks once. */
class BreakingAccess implements RemoteAccess {
  readonly #cut: Cut | undefined;
  readonly #onCut: () => void;
  /** Whether the executor passes for a Go node, which is asked for what it does not know. */
  readonly #asGo: boolean;
  readonly #onAppeared = new Set<() => void>();
  #connections = 0;

  constructor(cut: Cut | undefined, asGo: boolean, onCut: () => void) {
    this.#cut = cut;
    this.#asGo = asGo;
    this.#onCut = onCut;
  }

  async dial(): Promise<Duplex> {
    const [near, there] = duplexPair();
    const [back, far] = duplexPair();
    const cut = this.#cut?.connection === this.#connections++ ? this.#cut : undefined;
    const sever = () => {
      if (cut?.silent) {
        this.#onCut();
        for (const listener of this.#onAppeared) listener();
        return;
      }
      for (const end of [near, there, back, far]) end.destroy();
      this.#onCut();
    };
    const limit = (direction: Cut['direction']) =>
      cut?.direction === direction ? cut.byte : Number.POSITIVE_INFINITY;
    const hide = this.#asGo ? (text: string) => text.replace('Abilities', 'Abilitiez') : undefined;
    for (const end of [near, there, back, far]) end.on('error', () => {});
    there.pipe(meter(limit('there'), sever, hide)).pipe(back);
    back.pipe(meter(limit('back'), sever)).pipe(there);
    // An end that is given up takes the other one with it, as in the mesh.
    near.once('close', () => setImmediate(() => far.destroy()));
    executor.daemon.control.serve(far, 'mesh', 'alpha:x');
    return near;
  }

  checkTlsClient(): void {}
  async sign(): Promise<string> {
    return '';
  }
  onAppeared(_node: string, listener: () => void): () => void {
    this.#onAppeared.add(listener);
    return () => this.#onAppeared.delete(listener);
  }
}

async function* only(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

/** Submits a unit over connections of which one breaks, and tells how it ended and how often it has run. */
async function runOver(
  cut: Cut | undefined,
  { asGo = false, restart = false, payload = true, padding = 0 } = {},
): Promise<{ unit: UnitReport; output: string; runs: number; broken: boolean }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'receptor-cuts-'));
  directories.push(dataDir);
  const ledger = join(dataDir, 'ledger');
  let broken = false;
  let onBroken = () => {};
  const breaking = new Promise<void>((resolve) => {
    onBroken = resolve;
  });
  const open = async (limit: Cut | undefined) => {
    const remote = new BreakingAccess(limit, asGo, () => {
      broken = true;
      onBroken();
    });
    const workceptor = new Workceptor({ nodeId: 'alpha', dataDir, remote });
    await workceptor.open();
    return workceptor;
  };
  let workceptor = await open(cut);
  try {
    const submission = await workceptor.allocateRemote({ node: 'beta', workType: 'sh', parameters: {} });
    const script = `${'\n'.repeat(padding)}echo run >>${ledger}; echo first; sleep 0.1; echo last`;
    await submission.receive(only(payload ? script : ''));
    const starting = submission.start().catch(() => undefined);
    if (restart) {
      const { id } = submission;
      const ended = vi.waitFor(
        async () => expect(isComplete((await workceptor.status(id)).State)).toBe(true),
        20_000,
      );
      await Promise.race([breaking, ended.catch(() => undefined)]);
      if (broken) {
        await workceptor.close();
        workceptor = await open(undefined);
      }
      await ended.catch(() => undefined);
    } else {
      await starting;
    }
    const unit = await vi.waitFor(
      async () => {
        const report = await workceptor.status(submission.id);
        if (!isComplete(report.State)) throw new Error(`${report.StateName}: ${report.Detail}`);
        return report;
      },
      { timeout: 20_000, interval: 5 },
    );
    let output = '';
    for await (const chunk of await workceptor.results(submission.id)) output += chunk;
    // What was started though nobody follows it has the time to run.
    if (unit.StateName !== 'Succeeded') await new Promise((resolve) => setTimeout(resolve, 300));
    const runs = existsSync(ledger) ? readFileSync(ledger, 'utf8').split('\n').length - 1 : 0;
    await workceptor.release(submission.id);
    return { unit, output, runs, broken };
  } finally {
    await workceptor.close();
  }
}

/** Every so many bytes of the first three connections, both ways. */
const CUTS: Cut[] = [0, 1, 2].flatMap((connection) =>
  (['there', 'back'] as const).flatMap((direction) =>
    Array.from({ length: 24 }, (_, i) => ({ connection, direction, byte: i * 13 })),
  ),
);

async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const lane = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: 12 }, lane));
}

describe('a connection that breaks at any byte', { timeout: 120_000 }, () => {
  it('does not keep a unit from running once, whole, on a node of ours', async () => {
    let broken = 0;
    await inLanes(CUTS, async (cut) => {
      const found = await runOver(cut);
      if (found.broken) broken++;
      expect({ cut, ...found, unit: found.unit.Detail }).toMatchObject({
        unit: 'exit status 0',
        output: 'first\nlast\n',
        runs: 1,
      });
    });
    expect(broken).toBeGreaterThan(30);
  });

  it('neither does a restart of the submitting node in that moment', async () => {
    let broken = 0;
    await inLanes(CUTS, async (cut) => {
      const found = await runOver(cut, { restart: true });
      if (found.broken) broken++;
      expect({ cut, ...found, unit: found.unit.Detail }).toMatchObject({
        unit: 'exit status 0',
        output: 'first\nlast\n',
        runs: 1,
      });
    });
    expect(broken).toBeGreaterThan(30);
  });

  it.each([false, true])('does not keep it from that on a Go node either (restart: %s)', async (restart) => {
    let broken = 0;
    await inLanes(CUTS, async (cut) => {
      const found = await runOver(cut, { asGo: true, restart });
      if (found.broken) broken++;
      expect({ cut, ...found, unit: found.unit.Detail }).toMatchObject({
        unit: 'exit status 0',
        output: 'first\nlast\n',
        runs: 1,
      });
    });
    expect(broken).toBeGreaterThan(30);
  });

  it('is given up on a Go node when that comes back while the payload is sent', async () => {
    const cut = { connection: 0, direction: 'there', byte: 1000, silent: true } as const;
    const since = performance.now();
    const found = await runOver(cut, { asGo: true, padding: 2000 });
    expect({ ...found, unit: found.unit.Detail }).toMatchObject({
      broken: true,
      unit: 'exit status 0',
      output: 'first\nlast\n',
      runs: 1,
    });
    expect(performance.now() - since).toBeLessThan(10_000);
  });
});
