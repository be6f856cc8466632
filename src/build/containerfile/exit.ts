import type { Readable } from "node:stream";

/** A read through the one exit of a sealed build. */
export interface ExitRead {
  readonly method: "GET" | "HEAD";
  readonly repository: string;
  /** Without a slash at its beginning, percent-encoding kept. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: { readonly accept?: string; readonly "accept-encoding"?: string };
  /** The repository's address as the build uses it, without a slash at its end. */
  readonly base: string;
  readonly actor: string;
}

/** What the exit knows of an answer once its body has been given out whole. */
interface ExitExchange {
  readonly outcome: string;
  readonly purl?: string;
  readonly reason?: string;
  readonly claim?: { readonly algorithm: string; readonly value: string; readonly state: "verified" | "absent" };
}

/** An answer of the exit. */
export interface ExitAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable | Buffer | undefined;
  readonly exchange: Promise<ExitExchange>;
}

/** A way to point package managers at the mirror: of one client program. */
export interface ExitClient {
  readonly client: string;
  /** A path that begins with `~/` is below the home of root. */
  readonly files: readonly { readonly path: string; readonly content: string }[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * The only way out of a sealed build, as the pipeline hands it in: it answers reads of the mirror's repositories.
 *
 * The build room knows nothing of the mirror but this.
 */
export interface Exit {
  answer(read: ExitRead): Promise<ExitAnswer>;
  /** The repository that stands for an upstream address, and the path below it. */
  repositoryFor(address: string): Promise<{ readonly repository: string; readonly path: string } | undefined>;
  /** How package managers are pointed at the mirror. */
  clients(): Promise<readonly ExitClient[]>;
  /** The suites of a release, such as `debian:13`, that repositories of the mirror have; empty where none has. */
  aptSources(
    release: string,
  ): Promise<readonly { readonly repository: string; readonly suite: string; readonly components: string[] }[]>;
}

/** The port on the loopback of a sealed build behind which the exit lies. Constant, so that nothing depends on it. */
const exitPort = 5081;

/** The address of the exit inside a sealed build. */
export const exitAddress = `http://127.0.0.1:${exitPort}`;
