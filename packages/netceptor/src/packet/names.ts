import { nameHash } from '../wire/name-hash.js';

/** A node whose name is known, with the way to it. */
export interface NamedNode<Way> {
  readonly name: string;
  /** The halves of the hash of the name, as whole numbers of 32 bits. */
  readonly high: number;
  readonly low: number;
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
    if (!this.#find(slot.high, slot.low)) {
      slot.next = this.#slots.get(slot.low);
      this.#slots.set(slot.low, slot);
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
    return this.#find(message.readInt32BE(offset), message.readInt32BE(offset + 4));
  }

  #find(high: number, low: number): Slot<Way> | undefined {
    let slot = this.#slots.get(low);
    while (slot && slot.high !== high) slot = slot.next;
    return slot;
  }

  delete(name: string): void {
    const slot = this.#byName.get(name);
    if (!slot) return;
    this.#byName.delete(name);
    const first = this.#slots.get(slot.low);
    if (first === slot) {
      if (slot.next) this.#slots.set(slot.low, slot.next);
      else this.#slots.delete(slot.low);
      return;
    }
    for (let before = first; before; before = before.next) if (before.next === slot) before.next = slot.next;
  }

  all(): IterableIterator<NamedNode<Way>> {
    return this.#byName.values();
  }
}

/** Writes the hash of a node's name where it stands in a message. */
export function writeHash(message: Buffer, offset: number, { high, low }: NamedNode<unknown>): void {
  message.writeInt32BE(high, offset);
  message.writeInt32BE(low, offset + 4);
}

function newSlot<Way>(name: string): Slot<Way> {
  const hash = nameHash(name);
  const high = Number(BigInt.asIntN(32, hash >> 32n));
  const low = Number(BigInt.asIntN(32, hash));
  return { name, high, low, way: undefined, next: undefined };
}
