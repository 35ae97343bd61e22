import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

/** For this long a side that has said everything may go on sending to one that listens no more, in milliseconds. */
const GRACE = 5000;

/**
 * Carries bytes both ways between two streams. Each way ends by itself: what one side still has to say after it has heard the
 * end is carried too. Where a way breaks off, the other side is broken off as well, so that nobody takes it for an end.
 * @param signal breaks off both
 * @returns when both are closed
 */
export async function bridge(one: Duplex, other: Duplex, signal: AbortSignal): Promise<void> {
  const cut = (): void => {
    breakOff(one);
    breakOff(other);
  };
  signal.addEventListener('abort', cut);
  await Promise.all([carry(one, other), carry(other, one)]);
  signal.removeEventListener('abort', cut);
}

/** Carries what comes from one stream to another; resolves when the first is closed. */
function carry(from: Duplex, to: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const closed = (): void => {
      if (!from.readableEnded) breakOff(to);
      else if (!from.writableFinished) throwAway(to);
      resolve();
    };
    // That it is broken off is seen when it closes.
    from.on('error', () => {});
    if (from.closed) {
      closed();
      return;
    }
    from.once('close', closed);
    from.pipe(to);
  });
}

/** Nobody takes what this stream brings any more, but what it was given has still to go out. */
function throwAway(stream: Duplex): void {
  stream.unpipe();
  stream.resume();
  if (stream.closed) return;
  const timer = setTimeout(() => breakOff(stream), GRACE);
  stream.once('close', () => clearTimeout(timer));
}

/** Ends a stream so that the other end knows that something is missing, where there is a way to tell it. */
export function breakOff(stream: Duplex): void {
  if (stream instanceof Socket && !(stream instanceof TLSSocket) && stream.remoteFamily !== undefined)
    stream.resetAndDestroy();
  else stream.destroy();
}
