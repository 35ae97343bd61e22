import { expandParameters, parseParameters, type SubmitOptions } from '@receptor/protocol';
import { Failure } from './failure.js';

/** Members of a submission that have options of their own, or none. */
const RESERVED: ReadonlySet<string> = new Set(['command', 'subcommand', 'node', 'worktype']);

/** The options of a submission that may be given as parameters instead. */
interface Options {
  readonly tlsClient: string | undefined;
  readonly ttl: string | undefined;
  readonly signwork: boolean;
}

type Parameters = Pick<SubmitOptions, 'parameters' | 'tlsClient' | 'ttl' | 'signWork' | 'signature'>;

/**
 * Makes the parameters of a submission from `--param` options and the words behind the work type, with the Python
 * client's rules and words (reference: control, 10).
 */
export async function workParameters(
  assignments: readonly string[],
  words: readonly string[],
  options: Options,
): Promise<Parameters> {
  const given = parseParameters(assignments, words);
  const taken = new Set(RESERVED);
  if (options.tlsClient) taken.add('tlsclient');
  if (options.ttl) taken.add('ttl');
  if (options.signwork) taken.add('signwork');
  for (const key of Object.keys(given)) {
    if (taken.has(key)) throw new Failure(1, `Duplicate or illegal parameter ${key}`);
  }
  const expanded = await expandParameters(given);
  const { tlsclient, ttl, signwork, signature, ...parameters } = expanded;
  const tlsClient = options.tlsClient || tlsclient;
  const timeToLive = options.ttl || ttl;
  return {
    parameters,
    ...(tlsClient && { tlsClient }),
    ...(timeToLive && { ttl: timeToLive }),
    ...((options.signwork || signwork === 'true') && { signWork: true }),
    ...(signature !== undefined && { signature }),
  };
}
