import { Failure } from "../base/errors.ts";
import { buildRequest, type BuildFlags } from "./build-flags.ts";
import { buildTogether } from "./build-together.ts";
import type { CommandContext } from "./command.ts";
import type { Session } from "./session.ts";

/** Which recipes are built with all that is built on them. */
interface VariantWish {
  readonly recipes: readonly string[];
  /** As the flags say; undefined where each recipe's state decides. */
  readonly mode: "locked" | "update" | undefined;
  readonly flags: BuildFlags;
}

/**
 * Builds recipes and then, wave by wave, what is built on them, as far as it is due; those of a wave at a time.
 *
 * Whether a variant is due is asked anew after each wave: a base that came out the same makes nothing due.
 *
 * @throws Failure of the first build that failed, once all of its wave have ended
 */
export async function buildVariants(
  context: CommandContext,
  session: Session,
  { recipes, mode, flags }: VariantWish,
): Promise<void> {
  const { recipeGraph, variantWaves } = await import("../pipeline/pipeline.ts");
  const { terminal } = context;
  const waves = await variantWaves(session.config, recipes);
  if (flags.distribution !== undefined && waves.length > 1)
    throw new Failure("usage", "Cannot build variants for another distribution: their Containerfiles say their bases", {
      hint: `Build ${recipes.join(", ")} with --distribution alone, and then targets of a bake file: docs/how-to/variants.md`,
    });
  for (const wave of waves) {
    const state = new Map((await recipeGraph(session.config)).recipes.map((one) => [one.recipe, one]));
    const due = wave.filter((name) => recipes.includes(name) || state.get(name)?.due !== undefined);
    for (const name of wave)
      terminal.err(`${name}: ${due.includes(name) ? (state.get(name)?.due ?? "asked for") : "up to date"}\n`);
    const builds = due.map((name) => {
      const own = state.get(name)?.movesLock === true && state.get(name)?.kind === "containerfile" ? "update" : "auto";
      return { name, request: buildRequest(name, flags, mode ?? own) };
    });
    await buildTogether(context, session, builds);
  }
}
