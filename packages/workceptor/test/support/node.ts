import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isComplete, type UnitReport } from '@receptor/protocol';
import {
  type CommandWorkTypeOptions,
  commandWorkType,
  type Logger,
  Workceptor,
  type WorkType,
} from '../../src/index.js';

/** A data directory that is gone after the test. */
export function temporaryDirectory(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'receptor-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A logger that keeps what it is told. */
export function recordingLogger(): Logger & { lines: string[] } {
  const lines: string[] = [];
  const keep = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  return { lines, error: keep('error'), warning: keep('warning'), info: keep('info'), debug: keep('debug') };
}

/** The work types most tests need: `cat`, and `sh` with parameters at run time. */
export function usualWorkTypes(options: Partial<CommandWorkTypeOptions> = {}): WorkType[] {
  return [
    commandWorkType({ workType: 'cat', command: 'cat', ...options }),
    commandWorkType({ workType: 'sh', command: 'sh', allowRuntimeParams: true, ...options }),
  ];
}

export async function openNode(
  dataDir: string,
  types: WorkType[] = usualWorkTypes(),
  logger?: Logger,
): Promise<Workceptor> {
  const node = new Workceptor({ nodeId: 'foo', dataDir, ...(logger ? { logger } : {}) });
  for (const type of types) node.registerWorkType(type);
  await node.open();
  return node;
}

/** The parameters that make `sh` run a script. */
export function script(text: string): Record<string, string> {
  return { params: `-c '${text}'` };
}

export async function* chunks(...parts: (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const part of parts) yield Buffer.from(part);
}

/** Submits a unit and starts it; its ID. */
export async function submit(
  node: Workceptor,
  workType: string,
  parameters: Record<string, string> = {},
  payload = '',
): Promise<string> {
  const submission = await node.allocate({ workType, parameters, origin: 'unix' });
  await submission.receive(chunks(payload));
  await submission.start();
  return submission.id;
}

/** All of a unit's output, once it is complete. */
export async function output(node: Workceptor, id: string, startPosition = 0): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of await node.results(id, startPosition)) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

/** Looks until the condition holds, or the test's time is over. */
export async function until<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found as T;
    await delay(5);
  }
}

/** The unit's status once it is complete. */
export function completed(node: Workceptor, id: string): Promise<UnitReport> {
  return until(async () => {
    const report = await node.status(id);
    return isComplete(report.State) && report;
  });
}

/** The unit's status once it is Running. */
export function running(node: Workceptor, id: string): Promise<UnitReport> {
  return until(async () => {
    const report = await node.status(id);
    return report.StateName === 'Running' && report;
  });
}
