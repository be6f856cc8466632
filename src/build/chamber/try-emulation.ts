import { runChamber } from "./run-chamber.ts";

/**
 * Runs a program of another architecture in a chamber, as a build would.
 *
 * @throws Failure `sandbox_unavailable` with how to mend it
 */
export async function tryEmulation(architecture: string): Promise<void> {
  await runChamber({ kind: "try", architecture }, { signal: new AbortController().signal });
}
