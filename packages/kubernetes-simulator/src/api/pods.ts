import { badRequest, notFound, Refusal } from '../status.js';
import { type Call, podOf, readBody, sendJson } from './call.js';

/** `POST …/pods` */
export const createPod = async (call: Call): Promise<void> => {
  const { namespace } = call.record;
  const type = (call.request.headers['content-type'] ?? 'application/json').split(';')[0];
  if (type !== 'application/json')
    throw new Refusal(
      415,
      'UnsupportedMediaType',
      'the body of the request was in an unknown format - accepted media types include: application/json',
    );
  const body = await readBody(call);
  if (!call.cluster.store.namespaces.has(namespace)) throw notFound('namespaces', namespace);
  const pod = call.cluster.pods.create(body, namespace);
  call.record.name = pod.metadata.name;
  sendJson(call, 201, pod);
};

/** `GET …/pods/<name>` */
export const getPod = (call: Call): void => sendJson(call, 200, podOf(call).pod);

/** `DELETE …/pods/<name>` */
export const deletePod = async (call: Call): Promise<void> => {
  const life = podOf(call);
  const options = deleteOptions(await readBody(call));
  const query = call.query.get('gracePeriodSeconds');
  const graceSeconds = options.gracePeriodSeconds ?? (query === null ? undefined : Number(query));
  if (graceSeconds !== undefined && !Number.isInteger(graceSeconds))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(query)}: invalid syntax`);
  sendJson(call, 200, call.cluster.pods.delete(life, { graceSeconds, uid: options.preconditions?.uid }));
};

interface DeleteOptions {
  gracePeriodSeconds?: number;
  preconditions?: { uid?: string };
}

const deleteOptions = (body: string): DeleteOptions => {
  if (body === '') return {};
  try {
    const options: unknown = JSON.parse(body);
    if (typeof options === 'object' && options !== null) return options;
  } catch {
    // Told below.
  }
  throw badRequest('the body of the request is not DeleteOptions');
};
