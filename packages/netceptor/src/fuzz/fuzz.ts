import { setImmediate as turn } from 'node:timers/promises';
import { seededRandom } from '../simulation/random.js';
import { certificatesTarget } from './certificates.js';
import { controlTarget } from './control.js';
import { firewallTarget } from './firewall.js';
import { linkTarget } from './link.js';
import { quicDatagramsTarget, quicHandshakeTarget } from './quic.js';
import { advertisementsTarget, routingTarget } from './routing.js';
import type { FuzzTarget } from './target.js';
import { wireTarget } from './wire.js';

/** An input that takes longer than this would let a peer hold up the node. Milliseconds. */
const SLOW = 2000;
/** What a target may hold more after many inputs than after the first ones. Bytes. */
const GROWTH = 128 * 1024 * 1024;
const WARM_UP = 50;

/** Every target, by its name. */
export const TARGETS: Readonly<Record<string, () => FuzzTarget>> = {
  wire: wireTarget,
  routing: routingTarget,
  advertisements: advertisementsTarget,
  link: linkTarget,
  'quic-datagrams': quicDatagramsTarget,
  'quic-handshake': quicHandshakeTarget,
  certificates: certificatesTarget,
  firewall: firewallTarget,
  control: controlTarget,
};

/** An input that does what must not be, and the seed that draws it first. */
export interface Finding {
  readonly target: string;
  readonly seed: number;
  readonly input: Buffer;
  readonly error: unknown;
}

/** What became of fuzzing a target. */
export interface FuzzResult {
  readonly target: string;
  readonly executions: number;
  readonly seconds: number;
  readonly finding?: Finding;
}

/** Settings of {@link fuzz}. */
export interface FuzzOptions {
  /** How long to go on; as long as it takes when left out. */
  readonly seconds?: number;
  /** How many inputs to give at most. */
  readonly executions?: number;
  readonly seed: number;
  /** Frees what is not used any more, so that memory can be judged. */
  readonly collectGarbage?: () => void;
}

/** Runs one input; gives the error, if one comes of it. */
export async function runInput(target: FuzzTarget, input: Buffer): Promise<unknown> {
  let stray: { error: unknown } | undefined;
  const onStray = (error: unknown) => {
    stray ??= { error };
  };
  process.on('unhandledRejection', onStray);
  process.on('uncaughtException', onStray);
  try {
    const started = process.cpuUsage();
    await target.run(input);
    const { user, system } = process.cpuUsage(started);
    if ((user + system) / 1000 > SLOW) return new Error(`it took ${(user + system) / 1000} ms of CPU time`);
    return stray?.error;
  } catch (error) {
    return error ?? new Error('something undefined was thrown');
  } finally {
    process.off('unhandledRejection', onStray);
    process.off('uncaughtException', onStray);
  }
}

/** Fuzzes a target until it has had enough or something is found. Every input is drawn from a seed of its own. */
export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzResult> {
  const { seconds = Infinity, executions: most = Infinity, seed, collectGarbage } = options;
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1000;
  const held = () => {
    collectGarbage?.();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  let executions = 0;
  let before = 0;
  const result = (finding?: Omit<Finding, 'target'>): FuzzResult => ({
    target: target.name,
    executions,
    seconds: elapsed(),
    ...(finding && { finding: { target: target.name, ...finding } }),
  });
  do {
    const own = (seed + executions) >>> 0;
    const input = target.generate(seededRandom(own));
    const error = await runInput(target, input);
    executions++;
    if (error !== undefined) return result({ seed: own, input, error });
    if (executions === WARM_UP) before = held();
    // Rejections that nobody handles are told between turns of the event loop.
    if (executions % 100 === 0) await turn();
  } while (executions < most && elapsed() < seconds);
  const grown = collectGarbage && executions > WARM_UP ? held() - before : 0;
  if (grown > GROWTH)
    return result({
      seed,
      input: Buffer.alloc(0),
      error: new Error(`memory has grown by ${grown} bytes in ${executions} executions`),
    });
  return result();
}
