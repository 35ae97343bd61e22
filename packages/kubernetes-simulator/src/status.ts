/** Kubernetes' Status object, as it stands in the body of every refusal. */
export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: Record<string, never>;
  status: 'Failure' | 'Success';
  message?: string;
  reason?: string;
  details?: {
    name?: string;
    kind?: string;
    causes?: { reason?: string; message?: string; field?: string }[];
    retryAfterSeconds?: number;
  };
  code: number;
}

/** A request that is answered with a Status instead of its object. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: number;
  readonly reason: string | undefined;
  readonly details: Status['details'];

  constructor(code: number, reason: string | undefined, message: string, details?: Status['details']) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  /** The Status that is sent. */
  toStatus(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      ...(this.reason === undefined ? {} : { reason: this.reason }),
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

export const badRequest = (message: string) => new Refusal(400, 'BadRequest', message);

export const unauthorized = () => new Refusal(401, 'Unauthorized', 'Unauthorized');

export const notFound = (kind: string, name: string) =>
  new Refusal(404, 'NotFound', `${kind} "${name}" not found`, { name, kind });

export const noSuchResource = () =>
  new Refusal(404, 'NotFound', 'the server could not find the requested resource', {});

export const methodNotAllowed = () =>
  new Refusal(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});

export const alreadyExists = (kind: string, name: string) =>
  new Refusal(409, 'AlreadyExists', `${kind} "${name}" already exists`, { name, kind });

/** RBAC's refusal. `name` is empty for a list or a create. */
export const forbidden = (user: string, verb: string, resource: string, namespace: string, name: string) =>
  new Refusal(
    403,
    'Forbidden',
    `${resource.split('/')[0]}${name === '' ? '' : ` "${name}"`} is forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group ""${namespace === '' ? ' at the cluster scope' : ` in the namespace "${namespace}"`}`,
    { ...(name === '' ? {} : { name }), kind: resource.split('/')[0] ?? resource },
  );

/** ResourceQuota's refusal of a pod. */
export const quotaExceeded = (pod: string, quota = 'quota') =>
  new Refusal(
    403,
    'Forbidden',
    `pods "${pod}" is forbidden: exceeded quota: ${quota}, requested: pods=1, used: pods=1, limited: pods=1`,
    { name: pod, kind: 'pods' },
  );

/** One reason why a field of an object is refused. */
export interface FieldError {
  field: string;
  reason:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueForbidden'
    | 'FieldValueDuplicate'
    | 'FieldValueNotSupported';
  message: string;
}

/** Validation's refusal of an object. */
export const invalid = (kind: string, name: string, errors: readonly FieldError[]) => {
  const texts = errors.map((error) => `${error.field}: ${error.message}`);
  return new Refusal(
    422,
    'Invalid',
    `${kind} "${name}" is invalid: ${texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`}`,
    {
      ...(name === '' ? {} : { name }),
      kind,
      causes: errors.map(({ field, reason, message }) => ({ reason, message, field })),
    },
  );
};
