import { open, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WebSocket } from 'ws';
import type { Clock } from './types.js';

/** Name of the file that says how far the payload has come, in the unit's directory. */
const STDIN_FILE = 'kube-stdin';
const CHUNK = 32_768;
/** Bytes given to the socket that are not on their way yet, before the file is read further. */
const IN_FLIGHT = 512 << 10;
const STDIN_CHANNEL = 0;
/** A server that does not answer a ping in this time is taken for one that never does. */
const ANSWER_MS = 30_000;
/** Channel of v5 that closes the one named in its only byte. */
const CLOSE_CHANNEL = 255;

/** `sending`: a part, or the input's end alone, may have been delivered, and nobody can know which. */
export type StdinMark = 'none' | 'sending' | 'sent';

export async function readMark(directory: string): Promise<StdinMark> {
  const text = await readFile(join(directory, STDIN_FILE), 'utf8').catch(() => '');
  return text === 'sending' || text === 'sent' ? text : 'none';
}

/** Puts the mark on disk; it is there, even after a power failure, when this resolves. */
export async function writeMark(directory: string, mark: StdinMark): Promise<void> {
  const path = join(directory, STDIN_FILE);
  if (mark === 'none') {
    await unlink(path).catch(() => {});
    return;
  }
  const aside = `${path}.tmp`;
  await writeFile(aside, mark, { mode: 0o600, flush: true });
  await rename(aside, path);
  const folder = await open(directory, 'r');
  await folder.sync().finally(() => folder.close());
}

/** The payload stopped on its way. */
export class StdinBroken extends Error {
  override readonly name = 'StdinBroken';
  /**
   * @param sent bytes that were handed to the connection
   * @param whole these were all, and it was only the server's answer that did not come
   */
  constructor(
    readonly sent: number,
    readonly whole: boolean,
    options?: { cause?: unknown },
  ) {
    super(`the connection broke after ${sent} bytes of the payload`, options);
  }
}

/**
 * Sends a file to the container's standard input, and its end where the protocol can say that; resolves when the server has
 * taken it all.
 * @throws StdinBroken when the connection ends before; the file's own errors as they are
 */
export async function sendStdin(socket: WebSocket, path: string, clock: Clock): Promise<void> {
  const file = await open(path, 'r');
  let sent = 0;
  let inFlight = 0;
  let broken: Error | undefined;
  let wake = () => {};
  const onClose = () => {
    broken ??= new Error('closed');
    wake();
  };
  socket.on('close', onClose);
  const send = (frame: Buffer) => {
    inFlight += frame.length;
    socket.send(frame, (error) => {
      inFlight -= frame.length;
      if (error) broken ??= error;
      wake();
    });
  };
  const woken = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  const room = async (limit: number) => {
    while (inFlight > limit && !broken) await woken();
    if (broken || socket.readyState !== socket.OPEN) throw new StdinBroken(sent, false, { cause: broken });
  };
  try {
    for (;;) {
      const frame = Buffer.allocUnsafe(CHUNK + 1);
      frame[0] = STDIN_CHANNEL;
      const { bytesRead } = await file.read(frame, 1, CHUNK, null);
      if (bytesRead === 0) break;
      await room(IN_FLIGHT);
      sent += bytesRead;
      send(frame.subarray(0, bytesRead + 1));
    }
    await room(IN_FLIGHT);
    if (socket.protocol.startsWith('v5')) send(Buffer.from([CLOSE_CHANNEL, STDIN_CHANNEL]));
    await room(0);
    // Only an answer shows that the other side has taken what the system has taken from us.
    let answered = false;
    const onPong = () => {
      answered = true;
      wake();
    };
    socket.once('pong', onPong);
    socket.ping();
    const giveUp = clock.after(ANSWER_MS, onPong);
    while (!answered && !broken) await woken();
    giveUp();
    socket.off('pong', onPong);
    if (!answered) throw new StdinBroken(sent, true, { cause: broken });
  } finally {
    socket.off('close', onClose);
    await file.close();
  }
}
