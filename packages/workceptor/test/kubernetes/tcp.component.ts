import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { ContainerSpec, Script } from '@receptor/kubernetes-simulator';
import { afterEach, describe, expect, it } from 'vitest';
import { asked, extraOf, podOf, useBench } from '../support/kubernetes.js';
import { completed, output, running, until } from '../support/node.js';

const bench = useBench();
const TCP = { streamMethod: 'tcp', env: { RECEPTOR_KUBE_TIMEOUT_START: '20ms' } };

afterEach(() => {
  bench.cluster.settings.script = () => undefined;
});

const variable = (spec: ContainerSpec, name: string) =>
  spec.env?.find((each) => each.name === name)?.value ?? '';

/** A worker that calls back and then does as told; `stop` is its being killed. */
function calling(act: (socket: Socket, stop: AbortSignal) => Promise<number>): void {
  const script: Script = async ({ spec, signal }) => {
    const socket = connect({
      host: variable(spec, 'RECEPTOR_HOST'),
      port: Number(variable(spec, 'RECEPTOR_PORT')),
      allowHalfOpen: true,
    });
    socket.on('error', () => {});
    await once(socket, 'connect');
    const exitCode = await act(socket, signal);
    socket.destroy();
    return { exitCode };
  };
  bench.cluster.settings.script = () => script;
}

async function all(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  // Not by iteration: that would close the other direction, too.
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}
const send = (socket: Socket, bytes: Buffer | string) =>
  new Promise<void>((resolve) => {
    socket.end(bytes, resolve);
  });

describe('streammethod tcp', () => {
  it('sends the payload and its end, and takes what comes back for the output', async () => {
    const payload = Array.from({ length: 50_000 }, (_, i) => `line ${i}\r\n`).join('');
    calling(async (socket) => {
      const got = await all(socket);
      await send(socket, got);
      return 0;
    });
    const node = await bench.open(TCP);
    const before = asked(bench.cluster, 'attach') + asked(bench.cluster, 'log');
    const id = await bench.submit(node, { secret_kube_pod: podOf('') }, payload);
    expect(await completed(node, id)).toMatchObject({ StateName: 'Succeeded', Detail: 'Finished' });
    expect((await output(node, id)) === payload).toBe(true);
    expect(asked(bench.cluster, 'attach') + asked(bench.cluster, 'log')).toBe(before);
  });

  it('tells what it does while it does it', async () => {
    let goOn: () => void = () => {};
    const told = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    calling(async (socket) => {
      await all(socket);
      await told;
      await send(socket, 'done');
      return 0;
    });
    const node = await bench.open(TCP);
    const id = await bench.submit(node, { secret_kube_pod: podOf('') }, 'x');
    expect((await running(node, id)).Detail).toBe('Pod Running');
    goOn();
    await completed(node, id);
    expect(await output(node, id)).toBe('done');
  });

  it('adds its environment to the worker, and leaves other containers and variables alone', async () => {
    calling(async (socket) => {
      await all(socket);
      return 0;
    });
    const env = [{ name: 'OWN', value: 'kept' }];
    const containers = [
      { name: 'side', image: 'x', env },
      { name: 'worker', image: 'x', env },
    ];
    const node = await bench.open(TCP);
    const id = await bench.submit(node, { secret_kube_pod: podOf('', {}, { containers }) }, 'x');
    await completed(node, id);
    const [side, worker] = bench.cluster.pod((await extraOf(node, id)).PodName)?.pod?.spec.containers ?? [];
    expect(side?.env).toEqual(env);
    expect(worker?.env?.map(({ name }) => name)).toEqual(['OWN', 'RECEPTOR_HOST', 'RECEPTOR_PORT']);
  });

  it('needs a payload', async () => {
    const node = await bench.open(TCP);
    const id = await bench.submit(node, { secret_kube_pod: podOf('') });
    expect(await completed(node, id)).toMatchObject({
      StateName: 'Failed',
      Detail: 'Error opening stdin file: file is empty',
    });
  });

  it('takes the exit code as logger does', async () => {
    calling(async (socket) => {
      await all(socket);
      return 3;
    });
    const node = await bench.open(TCP);
    const id = await bench.submit(node, { secret_kube_pod: podOf('') }, 'x');
    expect(await completed(node, id)).toMatchObject({ Detail: 'Finished with exit code 3 (Error)' });
  });

  it('fails where the worker ends without having called', async () => {
    const node = await bench.open(TCP);
    const id = await bench.submit(node, { secret_kube_pod: podOf('true') }, 'x');
    expect(await completed(node, id)).toMatchObject({
      StateName: 'Failed',
      Detail: 'Error accepting: the worker ended without having connected',
    });
  });

  it('fails where the pod is killed in the middle', async () => {
    calling(async (socket, stop) => {
      socket.write('begun');
      await once(stop, 'abort');
      return 143;
    });
    const node = await bench.open(TCP);
    const id = await bench.submit(node, { secret_kube_pod: podOf('') }, 'x');
    await until(async () => (await node.status(id)).StdoutSize === 5);
    bench.cluster.pod((await extraOf(node, id)).PodName)?.oomKill();
    expect(await completed(node, id)).toMatchObject({
      StateName: 'Failed',
      Detail: 'Error running pod: container failed with exit code 137: OOMKilled',
    });
  });

  it('says so where the connection breaks', async () => {
    calling(async (socket, stop) => {
      socket.write('begun');
      await new Promise((resolve) => setTimeout(resolve, 50));
      socket.resetAndDestroy();
      await once(stop, 'abort');
      return 0;
    });
    const node = await bench.open(TCP);
    const id = await bench.submit(node, { secret_kube_pod: podOf('') }, 'x');
    const { StateName, Detail } = await completed(node, id);
    expect(StateName).toBe('Failed');
    expect(Detail).toMatch(/^Error (reading stdout from|sending stdin to) pod: .*ECONNRESET/);
  });

  it('does not wait for a connection that stays open when the worker has ended', async () => {
    const script: Script = async ({ spec }) => {
      const socket = connect(Number(variable(spec, 'RECEPTOR_PORT')), variable(spec, 'RECEPTOR_HOST'));
      socket.on('error', () => {});
      await once(socket, 'connect');
      await new Promise<void>((resolve) => void socket.write('words', () => resolve()));
      return { exitCode: 0 };
    };
    bench.cluster.settings.script = () => script;
    const node = await bench.open(TCP);
    const id = await bench.submit(node, { secret_kube_pod: podOf('') }, 'x');
    expect(await completed(node, id)).toMatchObject({
      StateName: 'Failed',
      Detail: 'Error reading stdout from pod: the connection did not end with the worker',
    });
    expect(await output(node, id)).toBe('words');
  });

  it('takes one connection, and no second one', async () => {
    calling(async (socket) => {
      const again = connect(socket.remotePort ?? 0, socket.remoteAddress);
      const second = await new Promise<string>((resolve) => {
        again.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
        again.on('connect', () => resolve('connected'));
      });
      await all(socket);
      await send(socket, second);
      return 0;
    });
    const node = await bench.open(TCP);
    const id = await bench.submit(node, { secret_kube_pod: podOf('') }, 'x');
    await completed(node, id);
    expect(await output(node, id)).toBe('ECONNREFUSED');
  });

  it('can be cancelled, and leaves no port open', async () => {
    let port = 0;
    calling(async (socket, stop) => {
      port = socket.remotePort ?? 0;
      await once(stop, 'abort');
      return 0;
    });
    const node = await bench.open(TCP);
    const pod = podOf('', {}, { terminationGracePeriodSeconds: 0 });
    const id = await bench.submit(node, { secret_kube_pod: pod }, 'x');
    await running(node, id);
    await node.cancel(id);
    expect(await node.status(id)).toMatchObject({ StateName: 'Canceled' });
    const probe = connect(port, '127.0.0.1');
    const [error] = (await once(probe, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  });

  it.each([
    [true, 'deleted'],
    [false, 'left'],
  ])(
    'cannot be taken up by another process; with deletepodonrestart %s its pod is %s',
    async (deletePodOnRestart) => {
      calling(async (socket, stop) => {
        await all(socket);
        await once(stop, 'abort');
        return 0;
      });
      const first = await bench.open({ ...TCP, deletePodOnRestart });
      const pod = podOf('', {}, { terminationGracePeriodSeconds: 0 });
      const id = await bench.submit(first, { secret_kube_pod: pod }, 'x');
      await running(first, id);
      const { PodName } = await extraOf(first, id);
      await bench.close(first);
      const second = await bench.open({ ...TCP, deletePodOnRestart });
      expect(await completed(second, id)).toMatchObject({
        StateName: 'Failed',
        Detail: 'Failed to restart: restart not implemented for streammethod tcp',
      });
      if (deletePodOnRestart) await until(() => !bench.cluster.pod(PodName));
      else expect(bench.cluster.pod(PodName)?.pod?.metadata.deletionTimestamp).toBeUndefined();
    },
  );
});
