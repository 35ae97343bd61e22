import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What frees all that is not used any more, so that memory can be judged. */
export function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
