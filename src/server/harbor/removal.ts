import { Failure } from "../../base/errors.ts";
import type { Digest } from "../../model/digest.ts";
import type { Factory } from "../../pipeline/factory.ts";
import { precondition } from "./refusals.ts";

/**
 * Deletes an artifact with its tags and what is attached to it; false where it is gone already.
 *
 * @throws 412 where a rule, a hold or an index keeps it
 */
export async function removeArtifact(
  { registry }: Factory,
  { repository, digest, actor }: { readonly repository: string; readonly digest: Digest; readonly actor: string },
): Promise<boolean> {
  return await explained(async () => await registry.remove({ repository, reference: digest, actor }));
}

/** Removes or sets a tag. @throws 412 where a rule pins it */
export async function explained<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Failure && error.code === "forbidden") throw precondition(error.message);
    throw error;
  }
}
