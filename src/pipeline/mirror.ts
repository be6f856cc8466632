import type { SecretBox } from "../base/secret-box.ts";
import { formats, type Mirror, openMirror, openPolicy } from "../mirror/mirror.ts";
import { versionOrder } from "../scan/scan.ts";
import type { Ground } from "./features.ts";
import { openMirrorAdvisories } from "./mirror-advisories.ts";
import { type MirrorCare, openMirrorCare } from "./mirror-care.ts";
import { version } from "./version.ts";

/** The package mirror with the care for it. */
interface OpenMirrors {
  readonly mirror: Mirror;
  readonly mirrorCare: MirrorCare;
  close(): Promise<void>;
}

/** Opens the package mirror as configured, under its rules. */
export async function openMirrors(ground: Ground & { readonly box: SecretBox }): Promise<OpenMirrors> {
  const { store, log, config, box } = ground;
  const advisories = await openMirrorAdvisories(store.db, log, formats);
  const policy = await openPolicy({ store, log, formats, advisories, compareDebian: versionOrder("deb")! });
  const mirror = await openMirror({ store, log, box, version, policy, isOffline: config.mirror.offline });
  const mirrorCare = await openMirrorCare({ ...ground, mirror, rules: policy });
  return {
    mirror,
    mirrorCare,
    async close() {
      await mirror.close();
      await policy.close();
    },
  };
}
