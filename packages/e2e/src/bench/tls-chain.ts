import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, readFileSync } from 'node:fs';
import {
  type AddressInfo,
  connect as connectNet,
  createServer as createNetServer,
  type Server,
} from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { run, temporaryDirectory } from '../index.js';

/**
 * The limit of what a mesh in Node can reach: as many processes as it has nodes, in a line, linked by node:tls, each of which
 * does nothing but pipe. The last gives zeros without an end, the first answers on a Unix socket.
 */
export interface TlsChain {
  /** Reads for so many seconds at most; MiB/s. */
  rate(seconds: number): Promise<number>;
  end(): Promise<void>;
}

/** Starts a chain that is so many links long. */
export async function startTlsChain(links: number): Promise<TlsChain> {
  const directory = await temporaryDirectory();
  const [key, cert] = [join(directory.path, 'key.pem'), join(directory.path, 'certificate.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const { code, stderr } = await run({ command: 'openssl', prefix: ['req', '-x509', ...curve] }, [
    '-subj',
    '/CN=limit',
    '-days',
    '1',
    '-keyout',
    key,
    '-out',
    cert,
  ]);
  if (code !== 0) throw new Error(stderr.toString());
  const socket = join(directory.path, 's');
  const children: (() => Promise<void>)[] = [];
  const begin = async (...args: string[]): Promise<string> => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), key, cert, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(child, 'close');
    children.push(async () => {
      child.kill('SIGKILL');
      await closed;
    });
    const [address] = (await once(child.stdout, 'data')) as [Buffer];
    return address.toString().trim();
  };
  let next = await begin('source', '0');
  for (let link = 1; link < links; link += 1) next = await begin(next, '0');
  await begin(next, socket);
  return {
    rate: async (seconds) => {
      const connection = connectNet(socket);
      let bytes = 0;
      let began: number | undefined;
      connection.on('data', ({ length }: Buffer) => {
        began ??= performance.now();
        bytes += length;
      });
      await delay(seconds * 1000);
      const taken = performance.now() - (began ?? Number.NaN);
      connection.destroy();
      return bytes / (1 << 20) / (taken / 1000);
    },
    end: async () => {
      await Promise.all(children.map((end) => end()));
      await directory.remove();
    },
  };
}

/** One process of the chain: gives the source, or what it gets from the port `from`, to who connects to `to`. */
async function serve(key: string, cert: string, from: string, to: string): Promise<void> {
  const pem = { key: readFileSync(key), cert: readFileSync(cert) };
  const open = () =>
    from === 'source'
      ? createReadStream('/dev/zero', { highWaterMark: 256 * 1024 })
      : connectTls({
          port: Number(from),
          host: '127.0.0.1',
          ca: pem.cert,
          checkServerIdentity: () => undefined,
        });
  const accept = (socket: NodeJS.WritableStream) => {
    const source = open();
    source.on('error', () => {});
    socket.on('error', () => {});
    socket.once('close', () => source.destroy());
    source.pipe(socket);
  };
  const server: Server = to === '0' ? createTlsServer(pem, accept) : createNetServer(accept);
  server.listen(to === '0' ? { port: 0, host: '127.0.0.1' } : { path: to });
  await once(server, 'listening');
  const address = server.address() as AddressInfo | string;
  console.log(typeof address === 'string' ? address : address.port);
}

const [script, key, cert, from, to] = process.argv.slice(1);
if (script === fileURLToPath(import.meta.url) && key && cert && from && to) await serve(key, cert, from, to);
