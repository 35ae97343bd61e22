import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Script,
  type ScriptIo,
  type Simulator,
  type SimulatorOptions,
  startSimulator,
} from '@receptor/kubernetes-simulator';
import { silentLogger } from '../../src/logger.js';
import { currentAccess, parseKubeconfig } from '../../src/workers/kubernetes/access/kubeconfig.js';
import { createClient, type KubernetesClient } from '../../src/workers/kubernetes/client.js';
import {
  collectOutput,
  type OutputOptions,
  type OutputReport,
} from '../../src/workers/kubernetes/output/index.js';

interface PodStatus {
  metadata: { uid: string };
  status?: { containerStatuses?: { state?: { running?: object; terminated?: object } }[] };
}

/** A pod, and when its worker begins and ends. */
export interface ScenePod {
  readonly name: string;
  readonly uid: string;
  readonly started: Promise<void>;
  readonly ended: Promise<void>;
}

const PODS = '/api/v1/namespaces/default/pods';

async function until(check: () => Promise<boolean>): Promise<void> {
  while (!(await check().catch(() => false))) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Writes the bytes in pieces, with a rest between, after a moment in which attach can be opened. */
export const inPieces =
  (bytes: Buffer, piece: number, restMs = 0, before?: (io: ScriptIo) => Promise<void>): Script =>
  async (io) => {
    await before?.(io);
    for (let at = 0; at < bytes.length; at += piece) {
      await io.stdout(bytes.subarray(at, at + piece));
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
    }
    return { exitCode: 0 };
  };

/** A clock of a log that goes on by so much with each line. */
export const slowClock = (stepNs: bigint) => {
  let time = BigInt(Date.now() - 3_600_000) * 1_000_000n;
  return () => {
    time += stepNs;
    return time;
  };
};

/** A simulator, and a client of it, whose pods' output is collected. */
export class PodScene {
  private script: Script | undefined;
  private pods = 0;

  private constructor(
    readonly cluster: Simulator,
    readonly api: KubernetesClient,
  ) {}

  static async start(options: Omit<SimulatorOptions, 'script'> = {}): Promise<PodScene> {
    let scene: PodScene | undefined;
    const cluster = await startSimulator({
      pace: { imagePullMs: 0 },
      ...options,
      script: () => scene?.script,
    });
    scene = new PodScene(cluster, createClient(currentAccess(parseKubeconfig(cluster.kubeconfig()))));
    return scene;
  }

  async close(): Promise<void> {
    this.api.close();
    await this.cluster.close();
  }

  /** A pod whose worker runs the script; resolves as soon as it exists. */
  async createPod(script: Script): Promise<ScenePod> {
    const name = `pod-${this.pods++}`;
    this.script = script;
    const worker = { name: 'worker', image: 'any', stdin: true, stdinOnce: true, command: ['true'] };
    const body = { metadata: { name }, spec: { restartPolicy: 'Never', containers: [worker] } };
    const { metadata } = await this.api.json<PodStatus>({ method: 'POST', path: PODS, body });
    const started = until(async () =>
      Object.keys(await this.stateOf(name)).some((state) => state !== 'waiting'),
    );
    const ended = until(async () => 'terminated' in (await this.stateOf(name)));
    return { name, uid: metadata.uid, started, ended };
  }

  /** The same; resolves when the worker runs, or has run. */
  async startPod(script: Script): Promise<ScenePod> {
    const pod = await this.createPod(script);
    await pod.started;
    return pod;
  }

  async deletePod(pod: ScenePod): Promise<void> {
    await this.api.json({ method: 'DELETE', path: `${PODS}/${pod.name}` });
  }

  collect(pod: ScenePod, unit: UnitFiles, more: Partial<OutputOptions> = {}): Promise<OutputReport> {
    return collectOutput({
      api: this.api,
      pod: { namespace: 'default', name: pod.name, uid: pod.uid },
      container: 'worker',
      stdin: undefined,
      directory: unit.directory,
      stdoutPath: unit.stdoutPath,
      started: pod.started,
      ended: pod.ended,
      signal: new AbortController().signal,
      log: silentLogger,
      ...more,
    });
  }

  private async stateOf(name: string) {
    const pod = await this.api.json<PodStatus>({ path: `${PODS}/${name}` });
    return pod.status?.containerStatuses?.[0]?.state ?? {};
  }
}

/** A unit's directory. */
export class UnitFiles {
  readonly directory = mkdtempSync(join(tmpdir(), 'collect-'));
  readonly stdoutPath = join(this.directory, 'stdout');

  get stdout(): Buffer {
    return readFileSync(this.stdoutPath);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
