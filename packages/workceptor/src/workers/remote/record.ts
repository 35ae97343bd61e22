import { errorText } from '../../error-text.js';
import type { UnitHandle } from '../../worker.js';
import { type RemoteExtraData, readExtraData } from './extra-data.js';

/** A unit's ExtraData, as it is now, and on disk. */
export class RemoteRecord {
  readonly unit: UnitHandle;
  #extra: RemoteExtraData;

  constructor(unit: UnitHandle) {
    this.unit = unit;
    this.#extra = readExtraData(unit.status.ExtraData);
  }

  get extra(): Readonly<RemoteExtraData> {
    return this.#extra;
  }

  /** Changes members; a status that cannot be written is in force all the same, and written later. */
  async change(change: Partial<RemoteExtraData>, durable = false): Promise<void> {
    await this.#write(change, durable).catch((error: unknown) => {
      this.unit.log.warning(`Cannot write the status of unit ${this.unit.id}: ${errorText(error)}`);
    });
  }

  /** Changes members, and has them on disk when it resolves. @throws the error of the file system */
  changeDurably(change: Partial<RemoteExtraData>): Promise<void> {
    return this.#write(change, true);
  }

  #write(change: Partial<RemoteExtraData>, durable: boolean): Promise<void> {
    this.#extra = { ...this.#extra, ...change };
    return this.unit.update({ extraData: this.#extra, durable });
  }
}
