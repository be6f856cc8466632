import { type Digest } from "../../model/digest.ts";
import { type Descriptor } from "../../model/oci.ts";
import { type Answer } from "../exchange.ts";
import { type Refusal } from "../refusal.ts";

/** What `/v2` asks of the projects whose content comes from other registries. */
export interface Upstreams {
  /** Whether the content of a repository comes from elsewhere: then nothing is pushed into it. */
  serves(repository: string): boolean;
  /**
   * Our name of a repository of another registry, for clients that ask with `?ns=`: in the project that was chosen for its
   * host, else in one whose peer has that host, unless the name begins with the project of a proxy cache already.
   */
  mirrorOf(host: string, repository: string): Promise<string | undefined>;
  /** Sees that the store has a manifest as fresh as it is to be; a refusal where there is none to be had. */
  manifest(repository: string, reference: string): Promise<Freshness | Refusal>;
  /** Sees to a blob that its repository does not have yet. `stored` where it has it now. */
  blob(repository: string, digest: Digest, wish: BlobWish): Promise<Answer | "stored" | Refusal>;
  /** The tags at the peer; undefined where it does not tell, and those of the store have to do. */
  tags(repository: string): Promise<readonly string[] | undefined>;
  /** What is attached to a manifest at the peer; undefined as for tags. */
  referrers(repository: string, subject: Digest): Promise<readonly Descriptor[] | undefined>;
}

/** Headers that tell how old an answer is; none where it is fresh. */
export interface Freshness {
  readonly headers: Readonly<Record<string, string>>;
}

/** How much of a blob is wanted. */
export interface BlobWish {
  readonly isHead: boolean;
  readonly hasRange: boolean;
}
