import type { FormatName } from "../../format.ts";

/** Something that a lock file needs, as the mirror can be asked for it. */
export interface Wish {
  readonly format: FormatName;
  /** For people: `express 4.19.2`. */
  readonly title: string;
  /** Paths below a repository of the format; the first repository that has the first of them gives all. */
  readonly paths: readonly string[];
  /** The repository, where the lock names it. */
  readonly repository?: string;
  readonly accept?: string;
  /** Lower-case hex of what the first path must give, where the lock says it. */
  readonly sha256?: string;
  /** Whether the store must have the answer itself, also where the mirror makes it up anew each time. */
  readonly isKept?: boolean;
  /** What is there only sometimes: not having it is no failure. */
  readonly isOptional?: boolean;
  /** Asks for more once the answer of the first path is there. */
  readonly follow?: (body: Buffer) => readonly Wish[];
}

/** Why a lock file's line cannot be asked for. */
export interface Skipped {
  readonly title: string;
  readonly reason: string;
}

/** What a lock file asks for. */
export interface LockWishes {
  /** `package-lock.json`, `go.sum` … */
  readonly kind: string;
  /** Asked before the others: what they are vouched for by. */
  readonly first?: readonly Wish[];
  readonly wishes: readonly Wish[];
  readonly skipped: readonly Skipped[];
}
