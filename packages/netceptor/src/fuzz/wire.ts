import { isDeepStrictEqual } from 'node:util';
import { MeshError } from '../errors.js';
import { decodeAdvertisement, encodeAdvertisement } from '../wire/advertisement.js';
import { decodeData, encodeData } from '../wire/data.js';
import { encodeFrame, FrameDecoder } from '../wire/frame.js';
import { decodeRoutingUpdate, encodeRoutingUpdate, peekRoutingUpdate } from '../wire/routing-update.js';
import { decodeUnreachable, encodeUnreachable } from '../wire/unreachable.js';
import { capturedMessages } from './corpus.js';
import { mutate } from './mutate.js';
import { check, type FuzzTarget, refused } from './target.js';

/** A refusal of bytes that are no message. */
export const isMalformed = (error: unknown): boolean =>
  error instanceof MeshError && error.code === 'RECEPTOR_MESH_MESSAGE';

/** What was decoded is written such that it decodes to the same. */
function roundTrip<T>(
  input: Buffer,
  decode: (message: Buffer) => T,
  encode: (value: T) => Buffer,
): T | undefined {
  const value = refused(() => decode(input), isMalformed);
  if (value === undefined) return undefined;
  const again = decode(encode(value));
  check(
    isDeepStrictEqual(again, value),
    'what was decoded decodes to something else when it is encoded again',
  );
  return value;
}

function frames(input: Buffer): void {
  const split = (cut: number): Buffer[] => {
    const messages: Buffer[] = [];
    const decoder = new FrameDecoder();
    for (const chunk of [input.subarray(0, cut), input.subarray(cut)])
      decoder.push(chunk, (message) => messages.push(Buffer.from(message)));
    return messages;
  };
  const whole = split(0);
  check(isDeepStrictEqual(split(input.length >> 1), whole), 'how a stream is cut decides what it says');
  if (input.length > 0) {
    const [message] = ((): Buffer[] => {
      const messages: Buffer[] = [];
      new FrameDecoder().push(encodeFrame(input), (one) => messages.push(one));
      return messages;
    })();
    check(message?.equals(input) === true, 'a frame does not hold what was put into it');
  }
}

/** Every decoder, given every kind of message. */
export function wireTarget(): FuzzTarget {
  const corpus = capturedMessages();
  return {
    name: 'wire',
    generate: (random) => mutate(random, corpus),
    run(input) {
      roundTrip(input, decodeAdvertisement, encodeAdvertisement);
      roundTrip(input, decodeUnreachable, encodeUnreachable);
      const update = roundTrip(input, decodeRoutingUpdate, encodeRoutingUpdate);
      const head = peekRoutingUpdate(input);
      if (update && head)
        check(head.updateId === update.updateId, 'a glance at an update shows another one than reading it');
      const data = refused(() => decodeData(input), isMalformed);
      if (data && !data.fromService.includes('\u{fffd}') && !data.toService.includes('\u{fffd}')) {
        const again = encodeData(data);
        check(again.subarray(4).equals(input.subarray(4)), 'a data message is not what it was');
      }
      frames(input);
    },
  };
}
