import { type Digest } from "../model/digest.ts";
import { refuse, type Refusal } from "./refusal.ts";

/** A manifest that was found and is about to be sent. */
interface Pull {
  readonly repository: string;
  readonly digest: Digest;
  readonly mediaType: string;
  /** The tag or digest that the client named. */
  readonly reference: string;
  readonly actor: string;
  readonly address: string;
}

/** Why a manifest is not given out. */
export interface PullDenial {
  /** All that a person needs: clients print it as it is. */
  readonly message: string;
  /** The same for programs. */
  readonly detail: unknown;
  /** Where waiting helps: after so many seconds it is worth asking again. */
  readonly retryAfterSeconds?: number;
}

/** Says whether a manifest may go out; undefined lets it. Asked on every GET and HEAD, before any byte is sent. */
export type PullCheck = (pull: Pull) => Promise<PullDenial | undefined>;

/** A denial as clients of Harbor know it: 412 with its code. */
export function refuseDenied({ message, detail, retryAfterSeconds }: PullDenial): Refusal {
  return refuse("PROJECTPOLICYVIOLATION", message, {
    detail,
    ...(retryAfterSeconds === undefined ? {} : { headers: { "retry-after": String(retryAfterSeconds) } }),
  });
}
