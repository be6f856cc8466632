import { type Digest } from "../../model/digest.ts";
import { type Descriptor } from "../../model/oci.ts";
import { pullScope, type RemoteRegistry } from "../remote/remote.ts";

/** Where a signature is looked for; absent things are undefined. */
export interface SignatureSource {
  getManifest(
    repository: string,
    reference: string,
  ): Promise<{ readonly digest: Digest; readonly mediaType: string; readonly bytes: Uint8Array } | undefined>;
  getBlob(repository: string, digest: Digest): Promise<AsyncIterable<Uint8Array> | undefined>;
  referrers(repository: string, subject: Digest): Promise<readonly Descriptor[]>;
}

/** Says in words why no key signed an image; undefined where one did. Keys are public ones in PEM. */
export type SignatureCheck = (question: {
  readonly source: SignatureSource;
  readonly repository: string;
  readonly digest: Digest;
  readonly keys: readonly string[];
}) => Promise<string | undefined>;

/** A peer as a place to look for signatures. */
export function remoteSignatures(remote: RemoteRegistry, signal?: AbortSignal): SignatureSource {
  return {
    getManifest: async (repository, reference) => await remote.getManifest(repository, reference, signal),
    async getBlob(repository, digest) {
      const target = `/v2/${repository}/blobs/${digest}`;
      const answer = await remote.session.send({ method: "GET", target, scopes: pullScope(repository), signal });
      if (answer.status === 200) return answer.body;
      answer.discard();
      return undefined;
    },
    referrers: async (repository, subject) => (await remote.referrers(repository, subject, signal)).descriptors,
  };
}
