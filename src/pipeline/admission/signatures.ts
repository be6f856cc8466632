import type { Digest } from "../../model/digest.ts";
import type { PullGate } from "../../model/pull-gate.ts";
import { publicKeyId, releaseSignature } from "../../sign/sign.ts";
import { attachmentGeneration, listIndexesOver } from "../../store/manifest-records.ts";
import { registrySource } from "../registry-source.ts";
import type { AdmissionGround } from "./admission.ts";

/** Signed, by which key; or not, and why. */
export type SignatureState = { readonly keyId: string } | { readonly missing: string };

/** Whether images carry a signature that a gate trusts. */
export interface Signatures {
  /**
   * Looks at a manifest itself, then at the indexes of the repository that name it: who signs an index vouches for the
   * digests in it.
   */
  of(this: void, gate: PullGate, repository: string, digest: Digest): Promise<SignatureState>;
  /** A word that changes with whatever is attached to a manifest or to an index over it. */
  generation(this: void, repository: string, digest: Digest): Promise<string>;
}

/** Indexes over one image that are looked at. */
const indexesMax = 20;

/** Opens the look at signatures over our own registry. */
export function openSignatures({ store, registry, releasePem }: AdmissionGround): Signatures {
  const source = registrySource(registry, store.blobs);
  const signersOf = async (repository: string, digest: Digest): Promise<Digest[]> => {
    const indexes = await listIndexesOver(store.db, repository, digest);
    return [digest, ...indexes.slice(0, indexesMax).map((index) => index.digest)];
  };
  return {
    async of(gate, repository, digest) {
      const keys = gate.trustedKeys.length === 0 ? [releasePem] : gate.trustedKeys;
      const problems: string[] = [];
      for (const candidate of await signersOf(repository, digest)) {
        const answer = await releaseSignature({ source, repository, digest: candidate, keys });
        if ("keyId" in answer) return { keyId: answer.keyId };
        problems.push(answer.missing);
      }
      const named = keys.map((pem) => publicKeyId(pem).slice(0, 12)).join(", ");
      return { missing: `no signature by a trusted key (${named}): ${problems[0]}` };
    },
    generation: async (repository, digest) =>
      await attachmentGeneration(store.db, repository, await signersOf(repository, digest)),
  };
}
