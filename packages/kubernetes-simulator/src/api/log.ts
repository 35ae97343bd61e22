import type { ServerResponse } from 'node:http';
import type { Container } from '../container/container.js';
import type { LogReadOptions } from '../log/reader.js';
import type { PodLife } from '../pods/pod-life.js';
import { badRequest, type FieldError, invalid } from '../status.js';
import { type Call, containerOf, flag, integer, nodeUnreachable, podOf, staySilent, write } from './call.js';

/** `GET …/pods/<name>/log` */
export const getLog = async (call: Call): Promise<void> => {
  const life = podOf(call);
  const container = containerOf(call, life);
  const options = readOptions(call, life.name);
  if (flag(call.query, 'previous'))
    throw badRequest(
      `previous terminated container "${container.spec.name}" in pod "${life.name}" not found`,
    );
  if (!life.scheduled) {
    call.response.writeHead(204).end();
    return;
  }
  if (life.lost) throw nodeUnreachable(life, 'containerLogs');
  refuseWaiting(life, container);
  call.response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'no-cache, private' });
  call.response.flushHeaders();
  await send(call, life, container, options);
};

const send = async (
  call: Call,
  life: PodLife,
  container: Container,
  options: LogReadOptions,
): Promise<void> => {
  const { fault, response, signal } = call;
  const cutAfter = fault.cutAfter ?? Number.POSITIVE_INFINITY;
  const silentAfter = fault.silentAfter ?? Number.POSITIVE_INFINITY;
  const limit = Math.min(cutAfter, silentAfter);
  let sent = 0;
  for await (const chunk of container.log.read(options, signal)) {
    if (life.lost) return staySilent(call);
    for (const piece of pieces(chunk.subarray(0, limit - sent), fault.pieceBytes)) await write(call, piece);
    sent = Math.min(limit, sent + chunk.length);
    if (sent === limit) break;
  }
  if (signal.aborted) return;
  if (sent === silentAfter) return staySilent(call);
  if (sent === cutAfter && fault.cutBy !== 'end') {
    await flushed(response);
    response.destroy();
    return;
  }
  response.end();
};

/** Waits until the kernel has what was written, so that the bytes before a cut arrive. */
const flushed = ({ socket }: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    if (socket) socket.write('', () => resolve());
    else resolve();
  });

function* pieces(chunk: Buffer, size = Number.POSITIVE_INFINITY): Generator<Buffer> {
  if (chunk.length <= size) {
    if (chunk.length > 0) yield chunk;
    return;
  }
  for (let at = 0; at < chunk.length; at += size) yield chunk.subarray(at, at + size);
}

/** What the kubelet calls the states in which it says less than the status does. */
const PULL_TROUBLE = new Set(['ErrImagePull', 'ImagePullBackOff']);

const refuseWaiting = (life: PodLife, { spec, state }: Container): void => {
  if (!state.waiting) return;
  const reason = state.waiting.reason ?? '';
  const why = PULL_TROUBLE.has(reason) ? 'trying and failing to pull image' : reason;
  throw badRequest(`container "${spec.name}" in pod "${life.name}" is waiting to start: ${why}`);
};

const readOptions = ({ query }: Call, pod: string): LogReadOptions => {
  const sinceTime = parseTime(query.get('sinceTime') ?? '');
  const sinceSeconds = integer(query, 'sinceSeconds');
  const tailLines = integer(query, 'tailLines');
  const limitBytes = integer(query, 'limitBytes');
  const errors: FieldError[] = [];
  const wrong = (field: string, value: number, why: string) =>
    errors.push({ field, reason: 'FieldValueInvalid', message: `Invalid value: ${value}: ${why}` });
  if (tailLines !== undefined && tailLines < 0)
    wrong('tailLines', tailLines, 'must be greater than or equal to 0');
  if (limitBytes !== undefined && limitBytes < 1) wrong('limitBytes', limitBytes, 'must be greater than 0');
  if (sinceTime !== undefined && sinceSeconds !== undefined)
    errors.push({
      field: '[]',
      reason: 'FieldValueForbidden',
      message: 'Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified',
    });
  else if (sinceSeconds !== undefined && sinceSeconds < 1)
    wrong('sinceSeconds', sinceSeconds, 'must be greater than 0');
  if (errors.length > 0) throw invalid('PodLogOptions', pod, errors);
  const seconds = sinceTime ?? (sinceSeconds === undefined ? undefined : Date.now() / 1000 - sinceSeconds);
  return {
    follow: flag(query, 'follow'),
    timestamps: flag(query, 'timestamps'),
    // On its way to the kubelet the time loses everything below the second.
    since: seconds === undefined ? undefined : BigInt(Math.floor(seconds)) * 1_000_000_000n,
    tailLines,
    limitBytes,
  };
};

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

const parseTime = (text: string): number | undefined => {
  if (text === '') return undefined;
  const ms = RFC3339.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms))
    throw badRequest(
      `parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(text)} as "2006"`,
    );
  return ms / 1000;
};
