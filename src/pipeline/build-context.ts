import type { Log } from "../base/log.ts";
import type { Workshop } from "../build/build.ts";
import type { Config } from "../config/config.ts";
import type { RunContext } from "../jobs/jobs.ts";
import type { Digest } from "../model/digest.ts";
import type { StepName } from "../model/progress.ts";
import type { Registry } from "../registry/registry.ts";
import type { SigningKey } from "../sign/sign.ts";
import type { Store } from "../store/store.ts";
import type { BuildRequest } from "./factory.ts";
import type { SealedDoors } from "./sealed-doors.ts";

/** What every build of one server shares. */
export interface Site {
  readonly store: Store;
  readonly registry: Registry;
  readonly workshop: Workshop;
  readonly config: Config;
  readonly log: Log;
  readonly keys: { readonly release: SigningKey; readonly evidence: SigningKey };
  /** Host and port by which clients name the registry; signatures carry it. */
  readonly registryHost: () => string;
  /** What sealed builds are let in by. */
  readonly sealedDoors: () => SealedDoors;
  /** Queues a clean rebuild that proves or corrects an image of a kept system. */
  readonly requestProof: (proof: ProofRequest) => Promise<void>;
}

/** An image to be built again from nothing. */
export interface ProofRequest {
  readonly image: Digest;
  readonly lockDigest: Digest;
  readonly request: BuildRequest;
}

/** One build: the site, the job that drives it, and the clock of its steps. */
export interface BuildContext extends Site {
  readonly job: RunContext;
  readonly request: BuildRequest;
  /** Set in a proof: the very lock to build from, and from nothing. */
  readonly pinnedLock: Digest | undefined;
  /** Set in a proof: the image that the lock gave. */
  readonly proves?: Digest;
  /** Milliseconds of each step that ran so far. */
  readonly durations: Partial<Record<StepName, number>>;
}
