import { nameHash } from '../wire/name-hash.js';

/** A node whose name is known, with the way to it. */
export interface NamedNode<Way> {
  readonly name: string;
  /** The hash of the name, as messages carry it. */
  readonly hash: Buffer;
  /** Where messages for it go; undefined when there is no way. */
  way: Way | undefined;
}

interface Slot<Way> extends NamedNode<Way> {
  next: Slot<Way> | undefined;
}

/**
 * The nodes that messages can be for, found by the 8 bytes of the hash where they stand in a message, without making a
 * string or a big number of them. The first name with a hash keeps it (reference: mesh, 3.3).
 */
export class Names<Way> {
  /** By the lower half of the hash, and then by the other half along a chain that is hardly ever longer than 1. */
  readonly #slots = new Map<number, Slot<Way>>();
  readonly #byName = new Map<string, Slot<Way>>();

  add(name: string): NamedNode<Way> {
    const known = this.#byName.get(name);
    if (known) return known;
    const slot = newSlot<Way>(name);
    const low = slot.hash.readUInt32BE(4);
    if (!this.find(slot.hash, 0)) {
      slot.next = this.#slots.get(low);
      this.#slots.set(low, slot);
    }
    this.#byName.set(name, slot);
    return slot;
  }

  /** The node of that name, known or not; one that is not known is not remembered. */
  resolve(name: string): NamedNode<Way> {
    return this.#byName.get(name) ?? newSlot(name);
  }

  get(name: string): NamedNode<Way> | undefined {
    return this.#byName.get(name);
  }

  /** The node whose hash stands at `offset`. */
  find(message: Buffer, offset: number): NamedNode<Way> | undefined {
    let slot = this.#slots.get(message.readUInt32BE(offset + 4));
    while (slot && slot.hash.readUInt32BE(0) !== message.readUInt32BE(offset)) slot = slot.next;
    return slot;
  }

  delete(name: string): void {
    const slot = this.#byName.get(name);
    if (!slot) return;
    this.#byName.delete(name);
    const low = slot.hash.readUInt32BE(4);
    const first = this.#slots.get(low);
    if (first === slot) {
      if (slot.next) this.#slots.set(low, slot.next);
      else this.#slots.delete(low);
      return;
    }
    for (let before = first; before; before = before.next) if (before.next === slot) before.next = slot.next;
  }

  all(): IterableIterator<NamedNode<Way>> {
    return this.#byName.values();
  }
}

function newSlot<Way>(name: string): Slot<Way> {
  const hash = Buffer.alloc(8);
  hash.writeBigUInt64BE(nameHash(name));
  return { name, hash, way: undefined, next: undefined };
}
