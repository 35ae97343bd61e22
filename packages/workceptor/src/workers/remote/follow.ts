import {
  decodeFrame,
  errorFromReply,
  type FollowedStatus,
  isComplete,
  isErrorLine,
  ReceptorError,
} from '@receptor/protocol';
import type { Output } from './output.js';
import type { RemoteSession } from './session.js';

const PIECE = 512 * 1024;
/** A node says something at least every few seconds; one that has been silent for this long is gone. */
const SILENCE_MS = 12_000;

/**
 * Follows a unit on a node of ours, which tells everything as it happens (reference: remote work), to its end.
 * @param onStatus told of each state before the last
 * @returns the last one, when the whole output is there
 * @throws ReceptorError a loss, or what the node answered
 */
export async function followByPush(
  session: RemoteSession,
  command: { readonly unitId: string; readonly signature?: string },
  output: Output,
  onStatus: (status: FollowedStatus) => void,
): Promise<FollowedStatus> {
  await session.request({
    command: 'work',
    subcommand: 'follow',
    startPos: await output.size(),
    ...command,
  });
  return receiveFrames(session, output, onStatus);
}

/** Takes what a node of ours tells of a unit that is followed; see {@link followByPush}. */
export async function receiveFrames(
  session: RemoteSession,
  output: Output,
  onStatus: (status: FollowedStatus) => void,
): Promise<FollowedStatus> {
  for (;;) {
    const line = await session.readLine(SILENCE_MS);
    if (line === '') continue;
    if (isErrorLine(line)) throw errorFromReply(line);
    const frame = decodeFrame(line);
    if ('output' in frame) {
      await receive(session, frame.output, output);
    } else if (!isComplete(frame.status.State)) {
      onStatus(frame.status);
    } else {
      const size = await output.size();
      if (size >= frame.status.StdoutSize) return frame.status;
      throw new ReceptorError(
        'RECEPTOR_CONNECTION_LOST',
        `the output ended at ${size} of ${frame.status.StdoutSize} bytes`,
      );
    }
  }
}

async function receive(session: RemoteSession, bytes: number, output: Output): Promise<void> {
  for (let left = bytes; left > 0; ) {
    const piece = await session.read(Math.min(left, PIECE), SILENCE_MS);
    if (piece === undefined)
      throw new ReceptorError('RECEPTOR_CONNECTION_LOST', 'the connection ended amid output');
    await output.append(piece);
    left -= piece.length;
  }
}
