import { type FileHandle, open } from "node:fs/promises";

/**
 * Makes what was written to a file durable, for many writers at once and beside the event loop.
 *
 * A sync that began before a write may have missed it, so who comes while one runs waits for the next, together with
 * everybody else who does. After a sync has failed nothing can be said to be durable any more: all later ones fail.
 */
export class GroupSync {
  readonly #path: string;
  #handle: Promise<FileHandle> | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #broken: { readonly cause: unknown } | undefined;

  /** @param path of a file that stays the same one for as long as this is used; opened at the first sync */
  constructor(path: string) {
    this.#path = path;
  }

  /** Waits until everything that was written before the call is durable. */
  async sync(): Promise<void> {
    if (this.#running === undefined) return await this.#begin();
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(async () => {
        this.#next = undefined;
        await this.#begin();
      });
    return await this.#next;
  }

  async close(): Promise<void> {
    await this.#next?.catch(() => undefined);
    await this.#running?.catch(() => undefined);
    await (await this.#handle?.catch(() => undefined))?.close();
    this.#handle = undefined;
  }

  async #begin(): Promise<void> {
    this.#running = this.#sync().finally(() => (this.#running = undefined));
    await this.#running;
  }

  async #sync(): Promise<void> {
    if (this.#broken !== undefined) throw new Error("An earlier sync failed", { cause: this.#broken.cause });
    try {
      this.#handle ??= open(this.#path, "r");
      await (await this.#handle).datasync();
    } catch (cause) {
      this.#broken = { cause };
      throw cause;
    }
  }
}
