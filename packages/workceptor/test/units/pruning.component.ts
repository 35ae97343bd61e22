import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ReceptorError, type UnitStatus } from '@receptor/protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RemoteAccess, RemoteExtraData, Worker, WorkType } from '../../src/index.js';
import { Workceptor } from '../../src/index.js';
import { watchForLeaks } from '../support/leaks.js';
import {
  chunks,
  completed,
  openNode,
  output,
  recordingLogger,
  running,
  script,
  submit,
  temporaryDirectory,
  until,
  usualWorkTypes,
} from '../support/node.js';

let data: ReturnType<typeof temporaryDirectory>;
let leaks: ReturnType<typeof watchForLeaks>;
let log: ReturnType<typeof recordingLogger>;
let node: Workceptor;

beforeEach(async () => {
  data = temporaryDirectory();
  leaks = watchForLeaks(data.path);
  log = recordingLogger();
  node = await openNode(data.path, usualWorkTypes(), log);
});

afterEach(async () => {
  for (const [id, { State }] of Object.entries(node.list())) if (State < 2) await node.cancel(id);
  await node.close();
  await leaks.assertNone();
  data.remove();
});

const directoryOf = (id: string) => join(node.directory, id);
const statusOf = (id: string) => join(directoryOf(id), 'status');
const readStatus = (id: string) => JSON.parse(readFileSync(statusOf(id), 'utf8')) as UnitStatus;

/** A unit that ended so many seconds ago, as far as its directory tells. */
async function finished(secondsAgo: number, payload = 'x'): Promise<string> {
  const id = await submit(node, 'cat', {}, payload);
  await completed(node, id);
  const end = Date.now() / 1000 - secondsAgo;
  // The end is known a moment before it is on disk.
  await until(() => readStatus(id).State === 2);
  utimesSync(statusOf(id), end, end);
  return id;
}

/** Waits until the pruning has looked through all units once more: a unit made for that is gone. */
async function pruned(): Promise<void> {
  const witness = await finished(1_000_000);
  await until(() => !(witness in node.list()));
}

const units = () => Object.keys(node.list()).sort();

describe('finished units', () => {
  test('are all kept, however old, unless it is said otherwise', async () => {
    const ids = [await finished(1_000_000), await finished(1)];
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect(units()).toEqual(ids.sort());
  });

  test('that are older than the age are released with their directories, younger ones stay', async () => {
    const old = [await finished(7200), await finished(3700)];
    const young = [await finished(3500), await finished(100)];
    node.keepFinished({ maxAgeMs: 3_600_000 });
    await until(() => old.every((id) => !existsSync(directoryOf(id))));
    await pruned();
    expect(units()).toEqual(young.sort());
    await expect(node.status(old[0] ?? '')).rejects.toThrow(`unknown work unit ${old[0]}`);
    expect(await output(node, young[0] ?? '')).toBe('x');
    for (const id of old)
      expect(log.lines).toContainEqual(expect.stringMatching(`^info Pruned unit ${id}, finished `));
  });

  test('that are too many are released, those first that ended first', async () => {
    const ids = [await finished(100), await finished(400), await finished(200), await finished(300)];
    node.keepFinished({ maxUnits: 2 });
    await until(() => units().length === 2);
    await pruned();
    expect(units()).toEqual([ids[0] ?? '', ids[2] ?? ''].sort());
  });

  test('go by both limits, whichever comes first', async () => {
    const ids = [await finished(100), await finished(200), await finished(300)];
    node.keepFinished({ maxUnits: 2, maxAgeMs: 150_000 });
    await until(() => units().length === 1);
    expect(units()).toEqual([ids[0]]);
  });

  test('are kept for a minute after their end, although they are too many', async () => {
    const young = [await finished(0), await finished(30)];
    const old = await finished(70);
    node.keepFinished({ maxUnits: 1 });
    await until(() => !(old in node.list()));
    await pruned();
    expect(units()).toEqual(young.sort());
  });

  test('are all kept again when the limits are gone', async () => {
    node.keepFinished({ maxAgeMs: 1000 });
    await pruned();
    node.keepFinished({});
    const ids = [await finished(1000), await finished(2000)];
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect(units()).toEqual(ids.sort());
  });

  test('of an earlier process are released by their age, which their directories tell', async () => {
    const old = await finished(7200);
    const young = await finished(60);
    await node.close();
    node = await openNode(data.path, usualWorkTypes(), log);
    node.keepFinished({ maxAgeMs: 3_600_000 });
    await until(() => !existsSync(directoryOf(old)));
    await pruned();
    expect(units()).toEqual([young]);
  });
});

/** The tightest limits there are: what stays stays for another reason. */
const ALL = { maxAgeMs: 0, graceMs: 0 };

describe('the tightest limits release', () => {
  test('no unit that runs', async () => {
    const id = await submit(node, 'sh', script('echo begun; while sleep 0.05; do :; done'));
    await running(node, id);
    utimesSync(statusOf(id), 1, 1);
    node.keepFinished(ALL);
    await pruned();
    expect(await node.status(id)).toMatchObject({ StateName: 'Running' });
  });

  test('no unit that is Pending: it waits for its payload', async () => {
    node.keepFinished(ALL);
    const submission = await node.allocate({ workType: 'cat', parameters: {}, origin: 'unix' });
    utimesSync(statusOf(submission.id), 1, 1);
    await pruned();
    expect(await node.status(submission.id)).toMatchObject({ StateName: 'Pending' });
    await submission.abandon('enough');
  });

  test('no unit whose results are being read, until they are', async () => {
    const size = 4_000_000;
    const id = await finished(1000, 'y'.repeat(size));
    let read = 0;
    for await (const piece of await node.results(id)) {
      if (read === 0) {
        node.keepFinished(ALL);
        await pruned();
        expect(existsSync(directoryOf(id))).toBe(true);
      }
      read += piece.length;
    }
    expect(read).toBe(size);
    await until(() => !existsSync(directoryOf(id)));
  });

  test('no unit that is being followed, until it has been', async () => {
    const id = await finished(1000, 'z'.repeat(4_000_000));
    let first = true;
    for await (const event of await node.follow(id, 0)) {
      if (first && 'output' in event) {
        first = false;
        node.keepFinished(ALL);
        await pruned();
        expect(existsSync(directoryOf(id))).toBe(true);
      }
    }
    expect(first).toBe(false);
    await until(() => !existsSync(directoryOf(id)));
  });

  test('no unit whose results have just been asked for', async () => {
    const id = await finished(1000, 'there');
    node.keepFinished({ ...ALL, graceMs: 3000 });
    const results = await node.results(id);
    await pruned();
    const parts: Buffer[] = [];
    for await (const piece of results) parts.push(piece);
    expect(Buffer.concat(parts).toString()).toBe('there');
  });

  test('no unit of a type that the node does not offer any more', async () => {
    const id = await submit(node, 'sh', script('true'));
    await completed(node, id);
    await node.close();
    utimesSync(statusOf(id), 1, 1);
    node = await openNode(
      data.path,
      usualWorkTypes().filter(({ name }) => name === 'cat'),
      log,
    );
    node.keepFinished(ALL);
    await pruned();
    expect(units()).toEqual([id]);
    for (const type of usualWorkTypes()) if (type.name === 'sh') node.registerWorkType(type);
    await until(() => units().length === 0);
  });
});

describe('a unit that cannot be released', () => {
  test('stays with what it has, is reported once, and does not hold up the others', async () => {
    let tries = 0;
    const stubborn: WorkType = {
      name: 'stubborn',
      verifiesSignature: false,
      prepare: async () => null,
      createWorker: (unit): Worker => ({
        start: () => unit.update({ state: 2, detail: 'done' }),
        resume: async () => {},
        cancel: async () => {},
        release: async () => {
          tries++;
          throw new ReceptorError('RECEPTOR_ABORTED', 'the pod could not be deleted');
        },
        detach: async () => {},
      }),
    };
    node.registerWorkType(stubborn);
    const id = await submit(node, 'stubborn');
    await completed(node, id);
    utimesSync(statusOf(id), 1, 1);
    node.keepFinished(ALL);
    await pruned();
    await pruned();
    expect(units()).toEqual([id]);
    expect(tries).toBe(1);
    expect(log.lines.filter((line) => line.includes('could not be pruned'))).toEqual([
      `warning Unit ${id} could not be pruned, and is kept: the pod could not be deleted`,
    ]);
  });
});

describe('a unit that another node has done', () => {
  /** A mesh whose other node cannot be reached. */
  const remote: RemoteAccess = {
    dial: () => Promise.reject(new ReceptorError('RECEPTOR_CONNECT_FAILED', 'no route to node')),
    checkTlsClient: () => {},
    sign: async () => '',
    onAppeared: () => () => {},
  };

  test('goes, and what it has there is remembered until that node can be reached', async () => {
    await node.close();
    node = new Workceptor({ nodeId: 'foo', dataDir: data.path, remote, logger: log });
    for (const type of usualWorkTypes()) node.registerWorkType(type);
    await node.open();
    const submission = await node.allocateRemote({ node: 'bar', workType: 'echo', parameters: {} });
    await submission.receive(chunks(''));
    await submission.abandon('for the test');
    await node.close();
    const status = readStatus(submission.id);
    const extra = status.ExtraData as RemoteExtraData;
    status.ExtraData = { ...extra, RemoteUnitID: 'abcdefgh', RemoteStarted: true };
    writeFileSync(statusOf(submission.id), `${JSON.stringify(status)}\n`);
    utimesSync(statusOf(submission.id), 1, 1);
    node = new Workceptor({ nodeId: 'foo', dataDir: data.path, remote, logger: log });
    await node.open();
    node.keepFinished(ALL);
    await until(() => units().length === 0);
    expect(readdirSync(join(node.directory, '.leftovers'))).toEqual([submission.id]);
  });
});

test('limits that are none are refused', () => {
  for (const limit of [-1, Number.NaN])
    for (const retention of [{ maxAgeMs: limit }, { maxUnits: limit }])
      expect(() => node.keepFinished(retention)).toThrow(`finished units cannot be kept up to ${limit}`);
});
