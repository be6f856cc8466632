import { Failure } from "../base/errors.ts";
import { buildRequest, type BuildFlags } from "./build-flags.ts";
import type { CommandContext } from "./command.ts";
import { printImage, runBuild } from "./run-build.ts";
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
  for (const wave of await variantWaves(session.config, recipes)) {
    const state = new Map((await recipeGraph(session.config)).recipes.map((one) => [one.recipe, one]));
    const due = wave.filter((name) => recipes.includes(name) || state.get(name)?.due !== undefined);
    for (const name of wave)
      terminal.err(`${name}: ${due.includes(name) ? (state.get(name)?.due ?? "asked for") : "up to date"}\n`);
    const isAlone = due.length === 1;
    const quiet = isAlone ? context : { ...context, flags: { ...context.flags, quiet: true } };
    const outcomes = await Promise.allSettled(
      due.map((name) => {
        const own =
          state.get(name)?.movesLock === true && state.get(name)?.kind === "containerfile" ? "update" : "auto";
        return runBuild(quiet, session.client, buildRequest(name, flags, mode ?? own));
      }),
    );
    for (const outcome of outcomes) if (outcome.status === "fulfilled") printImage(context, outcome.value, session);
    const failed = outcomes.findIndex(({ status }) => status === "rejected");
    if (failed >= 0) throw withName(due[failed]!, (outcomes[failed] as PromiseRejectedResult).reason);
  }
}

function withName(recipe: string, error: unknown): unknown {
  if (!(error instanceof Failure)) return error;
  const { code, message, hint, details } = error;
  return new Failure(code, `${recipe}: ${message}`, { ...(hint === undefined ? {} : { hint }), details, cause: error });
}
