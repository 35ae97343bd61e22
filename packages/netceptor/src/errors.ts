/** Every error code of the mesh, with what it means. */
export const MESH_ERROR_CODES = {
  RECEPTOR_MESH_MESSAGE: 'Bytes from a peer are not a mesh message.',
  RECEPTOR_MESH_OPTIONS: 'A setting of the node, a backend or a firewall rule is not valid.',
  RECEPTOR_MESH_BACKEND:
    'A backend could not listen, connect or go on; the cause is the error of the system.',
  RECEPTOR_MESH_NO_ROUTE: 'No way to the node is known.',
  RECEPTOR_MESH_SERVICE_UNKNOWN: 'Nothing listens on that service of the node.',
  RECEPTOR_MESH_SERVICE_NAME: 'A service name is longer than 8 bytes.',
  RECEPTOR_MESH_SERVICE_IN_USE: 'The service is already listening, or its name is reserved.',
  RECEPTOR_MESH_BLOCKED: 'A firewall rule refused the message.',
  RECEPTOR_MESH_EXPIRED: 'The message went over as many links as it was allowed to.',
  RECEPTOR_MESH_TOO_LARGE: 'The message is larger than a link can carry.',
  RECEPTOR_MESH_TIMEOUT: 'The other side did not answer in time.',
  RECEPTOR_MESH_TLS: 'A certificate or a TLS setting is not acceptable.',
  RECEPTOR_MESH_STREAM: 'A stream could not be opened, or its connection ended before it was complete.',
  RECEPTOR_MESH_CLOSED: 'The node, service or connection is closed.',
  RECEPTOR_MESH_ABORTED: 'The operation was cancelled by its AbortSignal.',
} as const;

/** A stable identifier of what went wrong in the mesh; one of the keys of {@link MESH_ERROR_CODES}. */
export type MeshErrorCode = keyof typeof MESH_ERROR_CODES;

/**
 * The error class of the mesh: a stable {@link MeshErrorCode} to branch on, a message in the words that clients of the Go
 * daemon match, and the cause where there is one.
 */
export class MeshError extends Error {
  override readonly name = 'MeshError';
  readonly code: MeshErrorCode;

  constructor(code: MeshErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
