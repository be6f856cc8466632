import { join } from "node:path";
import type { Log } from "../base/log.ts";
import { openSecretBox } from "../base/secret-box.ts";
import type { Workshop } from "../build/build.ts";
import type { Config } from "../config/config.ts";
import type { Queue, Schedules } from "../jobs/jobs.ts";
import type { Mirror } from "../mirror/mirror.ts";
import { type Collection, type Lifetime, type Registry, type Webhooks } from "../registry/registry.ts";
import type { Store } from "../store/store.ts";
import { type Admission, openAdmission } from "./admission/admission.ts";
import { type Backups, openBackups } from "./backups.ts";
import { openStorageCare } from "./collection.ts";
import { openTagCare } from "./lifetime.ts";
import { openMirrors } from "./mirror.ts";
import type { MirrorCare } from "./mirror-care.ts";
import { type Movement, openMovement } from "./movement.ts";
import { openHooks } from "./webhooks.ts";

/** What the care for a registry stands on. */
export interface Ground {
  readonly store: Store;
  readonly registry: Registry;
  readonly workshop: Workshop;
  readonly queue: Queue;
  readonly schedules: Schedules;
  readonly config: Config;
  readonly log: Log;
  /** The public half of the release key in PEM. */
  readonly releasePem: string;
  /** The public half of the evidence key in PEM. */
  readonly evidencePem: string;
  /** Whether the process stands for long, as a server does: only then is work taken up by itself. */
  readonly isStanding: boolean;
}

/** What is done for images once they are in the registry. */
export interface Features {
  readonly admission: Admission;
  readonly backups: Backups;
  readonly collection: Collection;
  readonly lifetime: Lifetime;
  readonly mirror: Mirror;
  readonly mirrorCare: MirrorCare;
  readonly movement: Movement;
  readonly webhooks: Webhooks;
}

/** The features as their owner has them. */
interface OpenFeatures {
  readonly features: Features;
  /** Takes no more work from outside; called before the queue closes. */
  stop(): Promise<void>;
  /** Writes down what is still in memory; called when the queue is closed. */
  close(): Promise<void>;
}

/** Opens every feature in the order in which they need each other. */
export async function openFeatures(ground: Ground): Promise<OpenFeatures> {
  const box = await openSecretBox(join(ground.config.dataDir, "keys", "secrets.key"));
  const collection = await openStorageCare(ground);
  const admission = await openAdmission(ground);
  const backups = await openBackups(ground);
  const lifetime = await openTagCare(ground, collection);
  const movement = await openMovement({ ...ground, box, admission });
  const mirrors = await openMirrors({ ...ground, box });
  const webhooks = await openHooks(ground, box);
  return {
    features: {
      admission,
      backups,
      collection,
      lifetime,
      mirror: mirrors.mirror,
      mirrorCare: mirrors.mirrorCare,
      movement,
      webhooks,
    },
    async stop() {
      await admission.close();
      await webhooks.close();
      await movement.close();
      await mirrors.close();
    },
    close: async () => await lifetime.close(),
  };
}
