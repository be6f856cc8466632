import { type Digest } from "../../model/digest.ts";
import { type Registry } from "../registry.ts";
import { type RemoteRegistry } from "../remote/remote.ts";
import { type UnitSource } from "./unit.ts";

/** A repository of this registry. */
export function localSource(registry: Registry, repository: string): UnitSource {
  return {
    manifest: async (reference) => await registry.getManifest(repository, reference),
    referrers: async (subject) => (await registry.referrers(repository, subject)).map(({ digest }) => digest),
  };
}

/** A repository of a peer; each manifest is fetched once. */
export function remoteSource(remote: RemoteRegistry, repository: string, signal?: AbortSignal): UnitSource {
  const known = new Map<string, ReturnType<UnitSource["manifest"]>>();
  return {
    async manifest(reference) {
      const kept = known.get(reference);
      if (kept !== undefined) return await kept;
      const asked = remote.getManifest(repository, reference, signal);
      known.set(reference, asked);
      const found = await asked;
      if (found !== undefined) known.set(found.digest, asked);
      return found;
    },
    async referrers(subject: Digest) {
      return (await remote.referrers(repository, subject, signal)).descriptors.map(({ digest }) => digest);
    },
  };
}
