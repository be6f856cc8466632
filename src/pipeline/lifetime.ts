import { type Collection, type Lifetime, openLifetime } from "../registry/registry.ts";
import type { Ground } from "./features.ts";

/** Opens the lifetime of tags and images; what retention drops is collected right after, not a week later. */
export async function openTagCare(
  { store, queue, schedules, log, isStanding }: Ground,
  collection: Collection,
): Promise<Lifetime> {
  const onDropped = async (): Promise<void> => void (await collection.start({ actor: "retention" }));
  return await openLifetime({ store, queue, schedules, log, isStanding, onDropped });
}
