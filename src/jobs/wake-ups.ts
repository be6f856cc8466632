/** Tells waiters in this process that something they wait for may have happened. */
export class WakeUps {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Listens from now on, so that nothing between a look at the store and the wait is missed. */
  listen(key: string): { readonly heard: Promise<void>; readonly stop: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiters = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiters);
    waiters.add(resolve);
    const stop = (): void => {
      waiters.delete(resolve);
      if (waiters.size === 0 && this.#waiting.get(key) === waiters) this.#waiting.delete(key);
      resolve();
    };
    return { heard: promise, stop };
  }

  /** Wakes everybody who listens to a key. */
  wake(key: string): void {
    for (const resolve of this.#waiting.get(key) ?? []) resolve();
  }

  /** Wakes everybody. */
  wakeAll(): void {
    for (const key of this.#waiting.keys()) this.wake(key);
  }
}
