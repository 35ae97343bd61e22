import { type ConfigItem, itemKey } from './config/item.js';

/** How something that the configuration says is put in force, and ended. */
export interface Ways<T> {
  start(item: ConfigItem): Promise<T>;
  stop(running: T): Promise<void>;
}

/** What runs because the configuration says so. It goes by what an item says: the same can be there several times. */
export class InForce<T> {
  readonly #ways: Ways<T>;
  readonly #running = new Map<string, T[]>();

  constructor(ways: Ways<T>) {
    this.#ways = ways;
  }

  /**
   * Ends what is not in the items any more, then starts what is new; what has not changed is left alone. One that cannot be
   * started keeps none of the others from it, and is tried again the next time.
   * @throws what the first of those that could not be started threw
   */
  async apply(items: readonly ConfigItem[]): Promise<void> {
    const wanted = new Map<string, ConfigItem[]>();
    for (const item of items) put(wanted, itemKey(item), item);
    const surplus = [...this.#running].flatMap(([key, running]) =>
      running.splice(wanted.get(key)?.length ?? 0),
    );
    await Promise.all(surplus.map((running) => this.#ways.stop(running)));

    const failures: unknown[] = [];
    for (const item of items) {
      const key = itemKey(item);
      if ((this.#running.get(key)?.length ?? 0) >= (wanted.get(key)?.length ?? 0)) continue;
      try {
        put(this.#running, key, await this.#ways.start(item));
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

function put<T>(map: Map<string, T[]>, key: string, value: T): void {
  const values = map.get(key);
  if (values) values.push(value);
  else map.set(key, [value]);
}
