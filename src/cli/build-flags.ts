import { resolve } from "node:path";
import type { Command } from "commander";
import { Failure } from "../base/errors.ts";
import type { NewBuild } from "../client/api-types.ts";

/** Flags that say what to build. */
export interface BuildFlags {
  readonly distribution?: string;
  readonly platform?: string;
}

/** Adds the flags that `build` and `lock` share. */
export function addBuildFlags(command: Command): Command {
  return command
    .option("--distribution <name>", "such as debian:12; by default the recipe's first that the sources offer")
    .option("--platform <platform>", "such as linux/amd64 or arm64; by default all of the recipe's");
}

/** The request of a recipe on the command line: a name, or a folder, which becomes absolute. */
export function buildRequest(recipe: string, flags: BuildFlags, mode: "auto" | "locked" | "update"): NewBuild {
  const isFolder = recipe.includes("/") || recipe === "." || recipe === "..";
  const architecture = architectureOf(flags.platform);
  return {
    recipe: isFolder ? resolve(recipe) : recipe,
    mode,
    ...(flags.distribution === undefined ? {} : { distribution: flags.distribution }),
    ...(architecture === undefined ? {} : { architecture }),
  };
}

function architectureOf(platform: string | undefined): "amd64" | "arm64" | undefined {
  const name = platform?.replace(/^linux\//, "");
  if (name === undefined || name === "amd64" || name === "arm64") return name;
  throw new Failure("usage", `Cannot build for "${platform}": it is not a known platform`, {
    hint: "Known are linux/amd64 and linux/arm64",
  });
}
