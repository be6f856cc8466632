/**
 * Buffers that are used again: fresh ones cost page faults and garbage collection, more than the copying itself.
 *
 * One that is not given back is nobody's loss but its own.
 */
export class BufferPool {
  readonly #free: Buffer[] = [];

  /** A buffer of {@link pooledBytes} whose content means nothing. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(pooledBytes);
  }

  /** Takes a buffer back that nobody reads or writes any more. */
  give(buffer: Buffer): void {
    if (this.#free.length < freeCount) this.#free.push(buffer);
  }
}

/** As large as pays: beyond it the calls saved are few, and the processor's cache is left behind. */
export const pooledBytes = 256 * 1024;
/** Buffers that wait for their next use: 8 MiB. */
const freeCount = 32;
