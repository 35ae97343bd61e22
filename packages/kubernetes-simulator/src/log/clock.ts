/** Gives the time in nanoseconds since 1970, the resolution of a container log's timestamps. */
export type Clock = () => bigint;

/** The system's clock, never going back and with nanoseconds. */
export const systemClock = (): Clock => {
  const base = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();
  return () => base + process.hrtime.bigint();
};

const SECOND = 1_000_000_000n;

/** Formats times as the kubelet does: RFC 3339 with always nine decimals, 30 characters. */
export class StampFormat {
  #second = -1n;
  #prefix = '';

  format(time: bigint): string {
    const second = time / SECOND;
    if (second !== this.#second) {
      this.#second = second;
      this.#prefix = `${new Date(Number(second) * 1000).toISOString().slice(0, 19)}.`;
    }
    return `${this.#prefix}${String(Number(time - second * SECOND)).padStart(9, '0')}Z`;
  }
}
