import { Failure } from "../../base/errors.ts";
import type { Containerfile, StageInstruction } from "./containerfile.ts";

/** Buildah reads here-documents since this version. Source: its CHANGELOG, 1.33.0. */
const heredocVersion = [1, 33] as const;

/**
 * Refuses what a sealed build cannot do before anything runs.
 *
 * @param buildah its version, `1.28.2`
 * @throws Failure `recipe_invalid` with the line and what to do instead
 */
export function refuseUnsupported({ stages }: Containerfile, buildah: string): void {
  for (const instruction of stages.flatMap(({ instructions }) => instructions)) {
    const secret = /^RUN\s(?:\s*--\S+)*?\s*--mount=(?:\S*,)?type=(secret|ssh)\b/i.exec(instruction.text)?.[1];
    if (secret !== undefined)
      throw refused(instruction, {
        state: `a sealed build has no "${secret}" to mount`,
        hint: "What a build takes in stands in its lock: give the mirror's repository the credentials of its upstream instead",
      });
    if (instruction.hasHeredoc && !isAtLeast(buildah, heredocVersion))
      throw refused(instruction, {
        state: `Buildah ${buildah} reads no here-documents (<<); they need ${heredocVersion.join(".")}`,
        hint: "Put the text into a file of the context and COPY it, or write the commands with && and \\",
      });
  }
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split(".").map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

function refused(
  { line }: StageInstruction,
  { state, hint }: { readonly state: string; readonly hint: string },
): Failure {
  return new Failure("recipe_invalid", `Cannot build the Containerfile: line ${line}: ${state}`, { hint });
}
