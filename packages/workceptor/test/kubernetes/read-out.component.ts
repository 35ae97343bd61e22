import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readOutAfterFailedWrite } from '../../src/workers/kubernetes/read-out.js';

describe('a connection that is reset while it is written to', () => {
  let peer: Socket;
  let socket: Socket;
  let received = '';

  beforeEach(async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    [peer] = await accepted;
    server.close();
    received = '';
    socket.on('data', (data) => {
      received += data;
    });
  });
  afterEach(() => {
    socket.destroy();
    peer.destroy();
  });

  /** The write fails at once, before anything could be read. */
  const resetBehind = async (lastWords: string): Promise<NodeJS.ErrnoException> => {
    peer.write(lastWords);
    peer.resetAndDestroy();
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const failed = new Promise<NodeJS.ErrnoException>((resolve) => socket.once('error', resolve));
    socket.write('too late');
    await closed;
    return failed;
  };

  it('loses what the peer said last, in Node.js', async () => {
    expect((await resetBehind('well done')).syscall).toBe('write');
    expect(received).toBe('');
  });

  it('gives it when it is read out, and then the error', async () => {
    readOutAfterFailedWrite(socket);
    expect((await resetBehind('well done')).syscall).toBe('write');
    expect(received).toBe('well done');
  });

  it('gives what had come before as well, in order', async () => {
    readOutAfterFailedWrite(socket);
    socket.pause();
    peer.write('early, ');
    while (socket.bytesRead === 0) await new Promise((resolve) => setImmediate(resolve));
    socket.resume();
    await resetBehind('well done');
    expect(received).toBe('early, well done');
  });

  it('is closed at once by who has no interest in it', async () => {
    readOutAfterFailedWrite(socket);
    const closed = once(socket, 'close');
    socket.destroy();
    await closed;
    expect(socket.destroyed).toBe(true);
  });
});
