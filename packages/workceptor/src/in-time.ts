/**
 * Runs a task with a signal that is given when another one is, or when the task's time is over. What the task makes of
 * that is its own affair.
 *
 * `AbortSignal.any([signal, AbortSignal.timeout(ms)])` is no substitute: Node 20 may collect the timeout, which nothing
 * but `any` refers to, and then it never comes.
 * @param ms at most 2^31 - 1
 */
export async function inTime<T>(
  ms: number,
  signal: AbortSignal,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(new Error('the time is over')), ms).unref();
  try {
    return await task(AbortSignal.any([signal, over.signal]));
  } finally {
    clearTimeout(timer);
  }
}
