import { AsyncLocalStorage } from "node:async_hooks";

/** Where a change comes from: what an event tells beside its actor. */
export interface Origin {
  /** The network address of the caller. */
  readonly address: string;
}

const origins = new AsyncLocalStorage<Origin>();

/** Runs `work` so that {@link currentOrigin} answers `origin` in it, across every await. */
export function withOrigin<T>(origin: Origin, work: () => T): T {
  return origins.run(origin, work);
}

/** The origin of the request that is being answered; undefined in background work. */
export function currentOrigin(): Origin | undefined {
  return origins.getStore();
}
