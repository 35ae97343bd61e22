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

/** The error of what was under way when its backend was stopped. */
export function stopped(): MeshError {
  return new MeshError('RECEPTOR_MESH_CLOSED', 'the backend was stopped');
}
