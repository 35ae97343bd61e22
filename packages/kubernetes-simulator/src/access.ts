import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { forbidden, unauthorized } from './status.js';

/** What is forbidden; fields that are left out stand for all. */
export interface ForbidRule {
  /** `get`, `list`, `watch`, `create`, `delete`. */
  verb?: string;
  /** `pods`, `pods/log`, `pods/attach`, `events`, `namespaces`. */
  resource?: string;
  namespace?: string;
  user?: string;
}

/** What a request wants to do. */
export interface Wish {
  verb: string;
  resource: string;
  namespace: string;
  name: string;
}

/** The user without credentials. */
const ANONYMOUS = 'system:anonymous';

/** Who may enter, and what they may do. */
export class Access {
  readonly #tokens = new Map<string, string>();
  #rules: ForbidRule[] = [];
  #certificatesRefused = false;

  addToken(token: string, user: string): void {
    this.#tokens.set(token, user);
  }

  /** From now on the token is answered with 401, as when it has expired. */
  expireToken(token: string): void {
    this.#tokens.delete(token);
  }

  /** From now on client certificates are answered with 401. */
  refuseCertificates(): void {
    this.#certificatesRefused = true;
  }

  /** Forbids, as RBAC does by not allowing. @returns a function that allows it again */
  forbid(rule: ForbidRule): () => void {
    this.#rules.push(rule);
    return () => {
      this.#rules = this.#rules.filter((other) => other !== rule);
    };
  }

  /** The user of a request. @throws Refusal 401 for credentials that are not, or no longer, valid. */
  authenticate(request: IncomingMessage): string {
    const [scheme, token = ''] = (request.headers.authorization ?? '').split(' ');
    if (scheme?.toLowerCase() === 'bearer') {
      const user = this.#tokens.get(token);
      if (user === undefined) throw unauthorized();
      return user;
    }
    const socket = request.socket as TLSSocket;
    const subject = socket.getPeerCertificate?.().subject as { CN?: string } | undefined;
    if (!subject) return ANONYMOUS;
    if (!socket.authorized || this.#certificatesRefused || typeof subject.CN !== 'string')
      throw unauthorized();
    return subject.CN;
  }

  /** @throws Refusal 403 for what is forbidden. */
  authorize(user: string, { verb, resource, namespace, name }: Wish): void {
    const hit = this.#rules.some(
      (rule) =>
        (rule.verb ?? verb) === verb &&
        (rule.resource ?? resource) === resource &&
        (rule.namespace ?? namespace) === namespace &&
        (rule.user ?? user) === user,
    );
    if (hit || user === ANONYMOUS) throw forbidden(user, verb, resource, namespace, name);
  }
}
