import { rm } from "node:fs/promises";
import { systemCodeOf } from "../../base/errors.ts";
import { runChamber } from "./run-chamber.ts";

/** Removes a folder of a build; what belongs to a subordinate id can only be removed from inside a chamber. */
export async function removeFolder(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (systemCodeOf(error) !== "EACCES" && systemCodeOf(error) !== "EPERM") throw error;
    await runChamber({ kind: "remove", path }, { signal: new AbortController().signal });
  }
}
