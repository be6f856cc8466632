import { projectOf } from "../model/permission.ts";
import {
  openPeers,
  openProxies,
  openReplication,
  type Peers,
  type Proxies,
  type Replication,
} from "../registry/registry.ts";
import type { SecretBox } from "../base/secret-box.ts";
import { releaseSignature } from "../sign/sign.ts";
import type { Admission } from "./admission/admission.ts";
import { openArchives, type Archives } from "./archive/archives.ts";
import type { Ground } from "./features.ts";
import { registrySource } from "./registry-source.ts";

/** How images come from other places and go to them: always whole, with what is attached to them. */
export interface Movement {
  readonly peers: Peers;
  readonly replication: Replication;
  readonly proxies: Proxies;
  readonly archives: Archives;
  /** Ends downloads and conversations; jobs are the queue's to end. */
  close(): Promise<void>;
}

interface MovementGround extends Ground {
  readonly box: SecretBox;
  readonly admission: Admission;
}

/** Opens peers, replication, proxy caches and archives. */
export async function openMovement(ground: MovementGround): Promise<Movement> {
  const { store, registry, queue, box } = ground;
  const peers = openPeers(store, box);
  const proxies: Proxies = await openProxies({
    ...ground,
    peers,
    beforePull: async (repository, reference) => await judgeFirst(ground, proxies, { repository, reference }),
  });
  const replication = await openReplication({
    ...ground,
    peers,
    localSignatures: registrySource(registry, store.blobs),
    async checkSignature(question) {
      const answer = await releaseSignature(question);
      return "missing" in answer ? answer.missing : undefined;
    },
  });
  const trust = { "evidence.pub": ground.evidencePem, "release.pub": ground.releasePem };
  const archives = openArchives({ store, registry, trust }, queue);
  return {
    peers,
    replication,
    proxies,
    archives,
    async close() {
      await replication.close();
      await proxies.close();
      peers.close();
    },
  };
}

/**
 * Fetches an image of a gated proxy cache whole, and waits for its verdict, where there is none yet.
 *
 * A gate cannot judge what is not here: its layers, its signatures.
 */
async function judgeFirst(
  { admission, registry }: MovementGround,
  proxies: Proxies,
  { repository, reference }: { readonly repository: string; readonly reference: string },
): Promise<void> {
  if (admission.gate(projectOf(repository)) === undefined) return;
  const digest = (await registry.getManifest(repository, reference))?.digest;
  if (digest === undefined || proxies.isWhole(repository, digest)) return;
  const verdict = await admission.explain(repository, digest);
  if (verdict?.result === "pass") return;
  await proxies.fetchWhole(repository, digest);
  await admission.hold(repository, digest);
}
