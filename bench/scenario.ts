import type { Ground } from "./ground.ts";
import type { Command } from "./measure.ts";

/** A number that a scenario gives beside its cost, such as bytes to pull. */
export interface Figure {
  readonly value: number;
  readonly unit: "seconds" | "bytes";
}

/** One thing that the bench measures. */
export interface Scenario {
  /** Short and unique; `--only` takes it. */
  readonly name: string;
  readonly about: string;
  /** Names of the scenarios that it is compared with, peers of the same work. */
  readonly beside?: readonly string[];
  /** What DESIGN.md demands: at most `ratio` times the first peer, or at most `limit` seconds or bytes. */
  readonly bar?: { readonly ratio?: number; readonly limit?: number };
  /** Why it cannot run here, or undefined. */
  missing(ground: Ground): Promise<string | undefined>;
  /** Brings about the starting conditions; not timed. */
  prepare(ground: Ground): Promise<void>;
  /** Either a command to be timed, or a figure that it finds itself. */
  run(ground: Ground): Promise<Command | Figure>;
  /** Undoes what the removal of the ground's folder cannot. */
  cleanUp?(ground: Ground): Promise<void>;
}
