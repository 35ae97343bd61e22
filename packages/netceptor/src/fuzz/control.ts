import { isDeepStrictEqual } from 'node:util';
import {
  decodeReply,
  describeJsonError,
  encodeCommand,
  errorFromReply,
  interpretCommand,
  parseCommandLine,
  parseDurationMs,
  parseParameters,
  ReceptorError,
} from '@receptor/protocol';
import { capturedLines } from './corpus.js';
import { mutate } from './mutate.js';
import { check, type FuzzTarget, refused } from './target.js';

const isRefusal = (error: unknown) => error instanceof ReceptorError;
const ASKED = [
  interpretCommand({ form: 'text', name: 'status', parameters: '' }),
  interpretCommand({ form: 'text', name: 'ping', parameters: 'x' }),
  interpretCommand({ form: 'text', name: 'traceroute', parameters: 'x' }),
  interpretCommand({ form: 'text', name: 'work', parameters: 'list' }),
  interpretCommand({ form: 'text', name: 'work', parameters: 'status x' }),
];

/** Lines of the control protocol, as a node and as a client reads them. */
export function controlTarget(): FuzzTarget {
  const corpus = [...capturedLines('send'), ...capturedLines('recv')];
  return {
    name: 'control',
    generate: (random) => mutate(random, corpus),
    run(input) {
      const text = input.toString();
      const command = refused(() => parseCommandLine(input), isRefusal);
      const line = command && refused(() => encodeCommand(command), isRefusal);
      if (line !== undefined)
        check(
          isDeepStrictEqual(parseCommandLine(line), command),
          'a command is read as another one when written',
        );
      for (const asked of ASKED)
        if (asked.command !== 'connect') refused(() => decodeReply(asked as never, text), isRefusal);
      errorFromReply(text);
      refused(() => parseParameters(text.split('\n')), isRefusal);
      refused(() => parseDurationMs(text), isRefusal);
      const isJson =
        refused(
          () => JSON.parse(text) !== undefined,
          (error) => error instanceof SyntaxError,
        ) === true;
      check(isJson === (describeJsonError(text) === undefined), 'it is not agreed whether this is JSON');
    },
  };
}
