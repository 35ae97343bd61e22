import { MeshError, messageOf } from '../errors.js';

/** Runs `act` when the signal is aborted, or at once when it is; returns how to call it off. */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal?.aborted) {
    act();
    return () => {};
  }
  signal?.addEventListener('abort', act, { once: true });
  return () => signal?.removeEventListener('abort', act);
}

/** The error of the system as one of the mesh, in its own words. */
export function backendError(error: unknown): MeshError {
  return error instanceof MeshError
    ? error
    : new MeshError('RECEPTOR_MESH_BACKEND', messageOf(error), { cause: error });
}
