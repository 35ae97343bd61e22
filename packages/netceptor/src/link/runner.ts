import type { Backend, BackendContext, DiallingBackend, Session } from '../backends/backend.js';
import { onAbort } from '../backends/failure.js';
import type { Clock } from '../clock.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import type { Random } from '../random.js';
import { redialDelay, SUCCESS } from './backoff.js';
import { Link, type LinkOwner } from './link.js';
import type { LinkEnd, LinkRules } from './state.js';

/** Sessions of a backend that have not said yet who they are; more are turned away. */
const MAX_STARTING = 1000;
/** Those of them that come from one address, so that nobody can keep all others out. */
const MAX_STARTING_OF_HOST = 250;

/** The same failure is told of this often: a Go node dials no more often, and more would hide other news. */
const TELL_AGAIN = 5000;

/** The settings of a {@link BackendRunner}. */
export interface RunnerOptions {
  readonly backend: Backend;
  readonly rules: LinkRules;
  readonly owner: LinkOwner & { ended(link: Link, end: LinkEnd): void };
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Runs a backend: makes a link of every session, and dials again and again. */
export class BackendRunner {
  readonly #options: RunnerOptions;
  readonly #abort = new AbortController();
  readonly #links = new Map<Link, () => void>();
  #redialling: Promise<void> | undefined;
  #told: { readonly text: string; readonly at: number } | undefined;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /**
   * Starts it; returns the address for people when it listens, and at once when it dials.
   * @throws MeshError `RECEPTOR_MESH_BACKEND` when it cannot listen
   */
  async start(): Promise<string> {
    const { backend } = this.#options;
    if (backend.kind === 'listener')
      return backend.listen((session) => void this.#accept(session), this.#context());
    this.#redialling = this.#dialAgainAndAgain(backend);
    return backend.address;
  }

  /** Ends all sessions, telling the peers, and gives up dialling or listening. */
  async stop(): Promise<void> {
    const ended = [...this.#links.keys()].map((link) => this.#ended(link));
    for (const link of [...this.#links.keys()]) link.stop();
    this.#abort.abort();
    await Promise.all([...ended, this.#redialling]);
  }

  #context(): BackendContext {
    const { clock, log } = this.#options;
    return { clock, log, signal: this.#abort.signal };
  }

  #ended(link: Link): Promise<void> {
    return new Promise((resolve) => {
      const before = this.#links.get(link);
      this.#links.set(link, () => {
        before?.();
        resolve();
      });
    });
  }

  #accept(session: Session): Link | undefined {
    const { rules, owner, clock, log } = this.#options;
    let starting = 0;
    let ofHost = 0;
    const host = hostOf(session.remote);
    for (const { peer, remote } of this.#links.keys()) {
      if (peer !== undefined) continue;
      starting++;
      if (hostOf(remote) === host) ofHost++;
    }
    if (starting >= MAX_STARTING || ofHost >= MAX_STARTING_OF_HOST || this.#abort.signal.aborted) {
      session.open({ message() {}, drained() {}, ended() {} });
      session.close();
      return undefined;
    }
    const link: Link = new Link({
      session,
      rules,
      owner,
      clock,
      log,
      ended: (end) => {
        const tell = this.#links.get(link);
        this.#links.delete(link);
        owner.ended(link, end);
        tell?.();
      },
    });
    this.#links.set(link, () => {});
    link.start();
    return link;
  }

  async #dialAgainAndAgain(backend: DiallingBackend): Promise<void> {
    const { log, random } = this.#options;
    const { signal } = this.#abort;
    const again = backend.redial !== false;
    for (let failures = 0; !signal.aborted; ) {
      try {
        const lived = await this.#dialOnce(backend);
        if (again && !signal.aborted) this.#tell('Backend connection exited (will retry)');
        if (lived >= SUCCESS) failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        const text = `Backend connection failed${again ? ' (will retry)' : ''}: ${messageOf(error)}`;
        if (again) this.#tell(text);
        else log.error(text);
      }
      if (!again || signal.aborted) return;
      await this.#wait(redialDelay(++failures, random));
    }
  }

  #tell(text: string): void {
    const { clock, log } = this.#options;
    const now = clock.now();
    if (this.#told?.text === text && now - this.#told.at < TELL_AGAIN) {
      log.debug(text);
      return;
    }
    this.#told = { text, at: now };
    log.warning(text);
  }

  /** Has one session, from its beginning to its end; returns for how many milliseconds a peer was there. */
  async #dialOnce(backend: DiallingBackend): Promise<number> {
    const { clock } = this.#options;
    const session = await backend.connect(this.#context());
    const begun = clock.now();
    const link = this.#accept(session);
    if (!link) return 0;
    if (this.#links.has(link)) await this.#ended(link);
    return link.peer === undefined ? 0 : clock.now() - begun;
  }

  #wait(delay: number): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const cancel = clock.schedule(delay, () => {
        offAbort();
        resolve();
      });
      const offAbort = onAbort(this.#abort.signal, () => {
        cancel();
        resolve();
      });
    });
  }
}

/** The address of the other end without its port. */
function hostOf(remote: string): string {
  return remote.replace(/:\d+$/, '');
}
