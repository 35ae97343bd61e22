import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { parse } from 'yaml';

/** A proxy before the API server that cuts the connections of some requests. */
export interface CuttingProxy {
  /** A kubeconfig that leads through it. */
  readonly kubeconfig: string;
  /** How many connections it has cut. */
  cuts(): number;
  close(): Promise<void>;
}

/**
 * Starts a proxy that speaks HTTP on the loopback interface and TLS to the API server, so that it sees what is asked.
 * @param directory where the new kubeconfig is written
 * @param request the first line of requests whose connection is cut
 * @param everyMs how long such a connection lives, on average
 */
export async function startCuttingProxy(
  kubeconfig: string,
  directory: string,
  request: RegExp,
  everyMs: number,
): Promise<CuttingProxy> {
  const config = parse(await readFile(kubeconfig, 'utf8'));
  const { cluster } = config.clusters[0];
  const { user } = config.users[0];
  const secret = async (holder: Record<string, string>, name: string) => {
    const data = holder[`${name}-data`];
    if (data !== undefined) return Buffer.from(data, 'base64');
    return holder[name] === undefined ? undefined : readFile(holder[name]);
  };
  const { hostname, port } = new URL(cluster.server);
  const upstream = {
    host: hostname,
    port: Number(port || 443),
    ca: await secret(cluster, 'certificate-authority'),
    cert: await secret(user, 'client-certificate'),
    key: await secret(user, 'client-key'),
  };
  const open = new Set<Socket>();
  let cuts = 0;

  const server: Server = createServer((client) => {
    const api = connect(upstream);
    let timer: NodeJS.Timeout | undefined;
    const end = () => {
      clearTimeout(timer);
      for (const socket of [client, api]) {
        socket.destroy();
        open.delete(socket);
      }
    };
    client.once('data', (chunk) => {
      if (!request.test(chunk.toString('latin1').split('\r\n')[0] ?? '')) return;
      timer = setTimeout(
        () => {
          cuts++;
          end();
        },
        everyMs * (0.5 + Math.random()),
      );
    });
    for (const socket of [client, api]) open.add(socket.on('error', end).on('close', end));
    client.pipe(api);
    api.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const ours = typeof address === 'object' && address ? address.port : 0;
  const path = join(directory, 'kubeconfig-through-proxy');
  const { token } = user as { token?: string };
  const through = {
    ...config,
    clusters: [{ ...config.clusters[0], cluster: { server: `http://127.0.0.1:${ours}` } }],
    users: [{ ...config.users[0], user: token === undefined ? {} : { token } }],
  };
  await writeFile(path, JSON.stringify(through), { mode: 0o600 });
  return {
    kubeconfig: path,
    cuts: () => cuts,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
