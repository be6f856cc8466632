import { plainEnvironment, run } from "../base/child.ts";
import { Failure } from "../base/errors.ts";

/** The commit that a recipe's folder is at, and whether it has changes that no commit holds; nothing where there is no repository. */
export async function recipeCommit(folder: string): Promise<{ readonly commit?: string; readonly isDirty?: boolean }> {
  try {
    const env = {
      ...plainEnvironment,
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "*",
    };
    const head = await run("git", ["-C", folder, "rev-parse", "--verify", "HEAD"], { env });
    if (head.code !== 0) return {};
    // A lock is written by the build itself: it says nothing of the recipe.
    const status = await run("git", ["-C", folder, "status", "--porcelain", "--", ".", ":(exclude)lock.*.json"], {
      env,
    });
    return { commit: head.stdout.trim(), isDirty: status.stdout.trim() !== "" };
  } catch (error) {
    if (error instanceof Failure && error.code === "program_missing") return {};
    throw error;
  }
}
