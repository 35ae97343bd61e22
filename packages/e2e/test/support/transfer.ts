import { createHash } from 'node:crypto';
import type { ReceptorClient } from '@receptor/protocol';

const PIECE = 1 << 20;

/** Bytes that differ everywhere, so that none can be lost, doubled or moved unnoticed. */
function* pieces(size: number): Generator<Buffer> {
  for (let done = 0; done < size; done += PIECE) {
    const piece = Buffer.allocUnsafe(Math.min(PIECE, size - done));
    // A generator of Lehmer's, begun anew for each piece.
    let state = (done / PIECE) * 2 + 1;
    for (let at = 0; at < piece.length; at++) {
      state = (state * 48_271) % 2_147_483_647;
      piece[at] = state >> 8;
    }
    yield piece;
  }
}

/** What was sent to a unit of type `cat`, and what came back, as SHA-256. */
export interface Transfer {
  readonly sent: string;
  readonly received: string;
  readonly bytes: number;
}

/** Sends `size` bytes to a unit and reads them back, both through the streams that the client opens. */
export async function thereAndBack(client: ReceptorClient, size: number): Promise<Transfer> {
  const sent = createHash('sha256');
  function* payload() {
    for (const piece of pieces(size)) {
      sent.update(piece);
      yield piece;
    }
  }
  const { unitid } = await client.submitWork({ workType: 'cat', payload: payload() });
  const received = createHash('sha256');
  let bytes = 0;
  for await (const chunk of client.results(unitid) as AsyncIterable<Buffer>) {
    received.update(chunk);
    bytes += chunk.length;
  }
  await client.releaseWork(unitid);
  return { sent: sent.digest('hex'), received: received.digest('hex'), bytes };
}
