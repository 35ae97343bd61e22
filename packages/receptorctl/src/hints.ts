import { pythonNameError, pythonOsError } from './errno.js';
import { UsageError } from './options.js';

/** What is told of an error: the line that scripts know, and what to do about it for a person at a terminal. */
export interface Told {
  readonly text: string;
  readonly hint?: string | undefined;
}

/** What to do next, by the words of the error. */
const NEXT_STEPS: readonly (readonly [RegExp, string])[] = [
  [
    /^Missing parameter: socket$/,
    "name the daemon's control socket: --socket /tmp/foo.sock, or RECEPTORCTL_SOCKET in the environment",
  ],
  [/^Invalid socket address /, 'an address is the path of a Unix socket, tcp://HOST:PORT or tls://HOST:PORT'],
  [
    /^Socket path does not exist: /,
    "no daemon has made this socket; start one (receptor -c FILE), or look up 'filename' in the control-service section of its file",
  ],
  [
    /^Failed to connect to Receptor socket$/,
    'something else than a Receptor control service answers there; is it a TLS port (tls://HOST:PORT)?',
  ],
  [/unknown work type /, 'receptorctl status lists the work types of each node'],
  [/unknown work unit /, 'receptorctl work list -q lists the units'],
  [/no route to node$/, 'receptorctl status lists the nodes that can be reached'],
  [/service unknown$/, 'receptorctl status lists the services of each node'],
  [/service name too long/, 'a service has a name of at most 8 bytes; receptorctl status lists them'],
  [/blocked by firewall/, "see 'firewallrules' in the node section of the nodes on the way"],
  [
    /extra params provided but not allowed/,
    "the work type takes no parameters: leave them out, or set 'allowruntimeparams: true' in its section on the node that runs it",
  ],
  [
    /(secret_)?kube_\w+ provided but not allowed|pod_pending_timeout provided but not allowed/,
    "the section of the work type on the node that runs it has to allow it: 'allowruntimeauth' (namespace, kubeconfig), " +
      "'allowruntimecommand' (image, command), 'allowruntimeparams' (parameters, timeout), 'allowruntimepod' (pod)",
  ],
  [/cannot send secrets over a non-TLS connection/, 'name a TLS profile of the daemon: --tls-client NAME'],
  [/unknown TLS config /, "--tls-client names a tls-client section of the daemon's file"],
  [/ttl option is intended for remote work only/, 'leave out --ttl, or name another node: --node NAME'],
  [
    /could not verify signature/,
    'have the daemon sign the submission: --signwork, with a work-signing section whose key belongs to the work-verification of that node',
  ],
  [/work type did not expect a signature/, 'leave out --signwork'],
  [/cannot sign work/, 'the daemon needs a work-signing section with its private key'],
  [/too many connections to the control service/, 'close some of the connections, or try again later'],
  [
    /ERRORCODE 3$/,
    'restart the daemon to put it in force: work that runs goes on, and is taken up by the next one',
  ],
  [/ERRORCODE 4$/, 'correct the file of the daemon and reload again; until then nothing has changed'],
  [
    /^\S+ does not exist$/,
    '@FILE stands for the text of a file; to send a text that begins with @, write @@',
  ],
];

/** What the Python client says of a host that cannot be reached; the library adds why. */
const NO_HOST = /^(Could not connect to host \S+ port \d+): (.*)$/s;
/** Of a socket it says what Python says. */
const NO_SOCKET = /^Could not connect to socket (.*): (.*?)$/s;

function tellSocket(path: string | undefined, why: string | undefined, cause: unknown): Told {
  const { code } = cause as NodeJS.ErrnoException;
  const next =
    code === 'ECONNREFUSED'
      ? 'the daemon that made it runs no more; start it again (receptor -c FILE)'
      : "see 'permissions' in the control-service section of the daemon's file";
  return { text: pythonOsError(cause) ?? String(why), hint: `${path}: ${why}; ${next}` };
}

/** Tells an error in the Python client's words, and apart from them what a person needs to act. */
export function tell(error: unknown): Told {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UsageError && error.hint) return { text: message, hint: error.hint };
  const [, host, noHost] = NO_HOST.exec(message) ?? [];
  if (error instanceof Error && host !== undefined)
    return { text: pythonNameError(error.cause) ?? host, hint: noHost };
  const [, path, why] = NO_SOCKET.exec(message) ?? [];
  if (error instanceof Error && path !== undefined) return tellSocket(path, why, error.cause);
  const [, hint] = NEXT_STEPS.find(([pattern]) => pattern.test(message)) ?? [];
  return { text: message, hint };
}

/** Letters to insert, remove, replace or swap to make one word of the other. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number) => rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        at(i - 1, j) + 1,
        at(i, j - 1) + 1,
        at(i - 1, j - 1) + (same ? 0 : 1),
        swapped ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
  }
  return at(a.length, b.length);
}

/** What was probably meant by a word that is none of those known; undefined where nothing is near. */
export function suggestion(word: string, known: Iterable<string>): string | undefined {
  let [best, least] = [undefined as string | undefined, Math.max(1, Math.floor(word.length / 3)) + 1];
  for (const candidate of known) {
    const far = candidate.startsWith(word) && word.length > 2 ? 1 : distance(word, candidate);
    if (far < least) [best, least] = [candidate, far];
  }
  return best;
}
