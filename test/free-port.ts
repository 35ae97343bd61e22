import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below what systems hand out to whoever asks for any port or dials out, so that nobody is given the port between its
 * being found free and its use; and below the node ports of Kubernetes.
 */
const LOWEST = 10_000;
const HIGHEST = 29_999;
/** So many in a row that are taken mean that something else is wrong. */
const MAX_TRIES = 100;

/** A port of TCP and UDP that nobody listens on, at any address. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const port = randomInt(LOWEST, HIGHEST + 1);
    if ((await isFreeForTcp(port)) && (await isFreeForUdp(port))) return port;
  }
  throw new Error(`none of ${MAX_TRIES} ports between ${LOWEST} and ${HIGHEST} is free`);
}

async function isFreeForTcp(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port), 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

async function isFreeForUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    socket.bind(port);
    await once(socket, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}
