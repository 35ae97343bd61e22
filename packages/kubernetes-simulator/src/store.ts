import type { KubeEvent, KubeObject, Pod } from './objects.js';

/** A change as a watch reports it. */
export interface Change<T extends KubeObject = KubeObject> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: T;
  revision: number;
}

/** Kept changes of a collection; a watch from further back is answered with 410. */
const HISTORY = 5_000;

/** One kind of object: its present state, and the recent changes that led to it. */
export class Collection<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #next: () => number;
  readonly #listeners = new Set<(change: Change<T>) => void>();
  #history: Change<T>[] = [];
  #forgotten = 0;

  constructor(next: () => number) {
    this.#next = next;
  }

  get(namespace: string, name: string): T | undefined {
    return this.#objects.get(`${namespace}/${name}`);
  }

  /** All objects, sorted by namespace and name as etcd keeps them. */
  all(): T[] {
    return [...this.#objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
  }

  get size(): number {
    return this.#objects.size;
  }

  /** The object that was added first. */
  oldest(): T | undefined {
    return this.#objects.values().next().value;
  }

  /** Adds or replaces an object and gives it the next resourceVersion. */
  put(object: T): T {
    const key = `${object.metadata.namespace}/${object.metadata.name}`;
    const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED';
    const revision = this.#next();
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    this.#objects.set(key, stored);
    this.#tell({ type, object: stored, revision });
    return stored;
  }

  remove(namespace: string, name: string): void {
    const object = this.get(namespace, name);
    if (!object) return;
    this.#objects.delete(`${namespace}/${name}`);
    const revision = this.#next();
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    this.#tell({ type: 'DELETED', object: last, revision });
  }

  /** The changes after a revision, or undefined if they are no longer all known. */
  since(revision: number): Change<T>[] | undefined {
    if (revision < this.#forgotten) return undefined;
    return this.#history.filter((change) => change.revision > revision);
  }

  /** Forgets all past changes, as etcd's compaction does. */
  compact(): void {
    this.#forgotten = this.#history.at(-1)?.revision ?? this.#forgotten;
    this.#history = [];
  }

  /** Calls back at each change until the returned function is called. */
  subscribe(listener: (change: Change<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(change: Change<T>): void {
    this.#history.push(change);
    if (this.#history.length > 2 * HISTORY) {
      const dropped = this.#history.splice(0, HISTORY);
      this.#forgotten = dropped.at(-1)?.revision ?? 0;
    }
    for (const listener of this.#listeners) listener(change);
  }
}

/** What etcd holds: pods, events and the names of the namespaces, under one counter of revisions. */
export class Store {
  #revision = 100;
  readonly namespaces = new Map<string, { uid: string; created: string; revision: number }>();
  readonly pods = new Collection<Pod>(() => this.next());
  /** The name of the event that says a thing of a pod, so that the same thing said again is counted there. */
  readonly eventNames = new Map<string, string>();
  readonly events = new Collection<KubeEvent>(() => this.next());

  /** The revision of the last change. */
  get revision(): number {
    return this.#revision;
  }

  next(): number {
    this.#revision += 1;
    return this.#revision;
  }
}
