import { createServer, type Server } from 'node:http';
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server as TcpServer,
} from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { podOf, useBench } from '../support/kubernetes.js';
import { completed, output } from '../support/node.js';

const bench = useBench();
const FAST = { RECEPTOR_KUBE_TIMEOUT_START: '5ms' };

/** A proxy that leads everything to the cluster, and what it was asked for. */
let proxy: Server;
let asked: string[];
let refusal: string | undefined;
const url = () => `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
const clusterPort = () => Number(new URL(bench.cluster.url).port);

beforeEach(async () => {
  asked = [];
  refusal = undefined;
  proxy = createServer();
  proxy.on('connect', (request, socket) => {
    asked.push(`${request.url}${request.headers['proxy-authorization'] ? ' with password' : ''}`);
    socket.on('error', () => {});
    if (refusal) return void socket.end(`HTTP/1.1 ${refusal}\r\n\r\n`);
    const onward = connect(clusterPort(), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    socket.on('close', () => onward.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  proxy.closeAllConnections();
  proxy.close();
});

/** The cluster's kubeconfig, with a name that only the proxy can resolve, which the server's certificate has. */
const kubeconfig = (cluster = '') =>
  bench.cluster
    .kubeconfig()
    .replace(/server: .*/, `server: https://kubernetes.default.svc:6443${cluster && `\n      ${cluster}`}`);

async function run(config: string, env: Record<string, string> = {}, payload = '') {
  const node = await bench.open({ env: { ...FAST, ...env } });
  const pod = podOf(payload ? 'cat' : 'echo hello');
  const id = await bench.submit(node, { secret_kube_config: config, secret_kube_pod: pod }, payload);
  const { Detail } = await completed(node, id);
  return { Detail, stdout: await output(node, id) };
}

describe('the API is reached', () => {
  it('through the proxy of HTTPS_PROXY: requests, watches, logs and attach', async () => {
    expect(await run(kubeconfig(), { HTTPS_PROXY: url() }, 'payload')).toEqual({
      Detail: 'Finished',
      stdout: 'payload',
    });
    expect(new Set(asked)).toEqual(new Set(['kubernetes.default.svc:6443']));
  });

  it('through the proxy that the kubeconfig names, whatever the environment says', async () => {
    const config = kubeconfig(`proxy-url: ${url()}`);
    expect(await run(config, { HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: '*' }, 'x')).toMatchObject({
      stdout: 'x',
    });
    expect(asked.length).toBeGreaterThan(0);
  });

  it('through a proxy that wants a password', async () => {
    const proxyUrl = url().replace('http://', 'http://me:pass@');
    expect(await run(kubeconfig(), { https_proxy: proxyUrl })).toMatchObject({ stdout: 'hello\n' });
    expect(asked[0]).toBe('kubernetes.default.svc:6443 with password');
  });

  it('through a SOCKS proxy, which resolves the name', async () => {
    const socks = socksProxy(clusterPort);
    await new Promise<void>((resolve) => socks.server.listen(0, '127.0.0.1', resolve));
    const { port } = socks.server.address() as AddressInfo;
    const config = kubeconfig(`proxy-url: socks5://127.0.0.1:${port}`);
    expect(await run(config, {}, 'x')).toMatchObject({ stdout: 'x' });
    expect(new Set(socks.asked)).toEqual(new Set(['kubernetes.default.svc']));
    socks.server.close();
  });

  it('directly where NO_PROXY names it, and on this machine always', async () => {
    const direct = bench.cluster.kubeconfig();
    expect(await run(direct, { HTTPS_PROXY: url() })).toMatchObject({ stdout: 'hello\n' });
    const { Detail } = await run(kubeconfig(), { HTTPS_PROXY: url(), NO_PROXY: 'x.y,.default.svc' });
    expect(Detail).toMatch(/kubernetes.default.svc.*(no such host|name server)/);
    expect(asked).toEqual([]);
  });
});

describe('a proxy', () => {
  it('that refuses is named, not taken for the API', async () => {
    refusal = '407 Proxy Authentication Required';
    const { Detail } = await run(kubeconfig(), { HTTPS_PROXY: url(), RECEPTOR_KUBE_RETRY_COUNT: '2' });
    expect(Detail).toMatch(
      /^Error creating pod: Post ".*": proxyconnect tcp: the proxy answered 407 Proxy Authentication Required$/,
    );
  });

  it('that nobody listens at is named', async () => {
    const { Detail } = await run(kubeconfig(), {
      HTTPS_PROXY: 'http://127.0.0.1:1',
      RECEPTOR_KUBE_RETRY_COUNT: '2',
    });
    expect(Detail).toMatch(/dial tcp 127.0.0.1:1: connect: connection refused$/);
  });

  it('of a kind that is not known is refused, without its password', async () => {
    const node = await bench.open();
    const submission = bench.submit(node, {
      secret_kube_config: kubeconfig('proxy-url: ftp://me:pass@host'),
      secret_kube_pod: podOf('true'),
    });
    await expect(submission).rejects.toThrow(
      'invalid configuration: unsupported scheme "ftp" of the proxy of cluster "simulator", must be http, https, or socks5',
    );
  });
});

/** The least of a SOCKS5 server (RFC 1928): no authentication, connects by name, leads all to one port. */
function socksProxy(port: () => number): { server: TcpServer; asked: string[] } {
  const asked: string[] = [];
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(Buffer.from([5, 0]));
      socket.once('data', (request) => {
        asked.push(request[3] === 3 ? request.subarray(5, 5 + (request[4] ?? 0)).toString() : 'an address');
        const onward = connect(port(), '127.0.0.1', () => {
          socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
          onward.pipe(socket).pipe(onward);
        });
        onward.on('error', () => socket.destroy());
        socket.on('close', () => onward.destroy());
      });
    });
  });
  return { server, asked };
}
