import { isAnswer } from './answer.js';
import { Failure } from './failure.js';

/** Reaches a service of the mesh. The daemon's refusal is shown with its own `ERROR: `, as the Python client does. */
export async function reachService<T>(reach: () => Promise<T>): Promise<T> {
  try {
    return await reach();
  } catch (cause) {
    if (isAnswer(cause)) throw new Failure(1, `ERROR: ${cause.message}`, { cause });
    throw cause;
  }
}
