import { join, resolve } from "node:path";
import { examples, type CommandContext, type Define } from "../command.ts";
import { buildRequest } from "../build-flags.ts";
import { buildTogether } from "../build-together.ts";
import { withClient, type Session } from "../session.ts";

interface Options {
  readonly file?: readonly string[];
  readonly set?: readonly string[];
  readonly print?: boolean;
  readonly update?: boolean;
  readonly locked?: boolean;
}

/** `mintmark bake [TARGET…]`: builds what a bake file describes. */
export const define: Define = (command, run) => {
  command
    .argument("[target...]", "targets and groups; by default `default`")
    .option("--file <path...>", "definitions, later ones over earlier ones; by default docker-bake.* or build.hcl")
    .option("--set <change...>", "TARGET.KEY[.NAME]=VALUE; * stands for any text in TARGET")
    .option("--print", "only print the plan, as docker buildx bake does")
    .option("--update", "resolve anew and write the locks")
    .option("--locked", "use exactly the locks, without network")
    .addHelpText(
      "after",
      examples(
        ["mintmark bake --print", "the plan as JSON"],
        ["mintmark bake app --set app.args.VERSION=2", "one target and what it is built on"],
      ),
    )
    .action(
      run(async (context, [targets]: readonly [string[]], options: Options) => {
        const { planBake, prepareBake } = await import("../../pipeline/pipeline.ts");
        const request = {
          folder: resolve("."),
          files: options.file ?? [],
          targets,
          changes: options.set ?? [],
          environment: context.configInput.environment,
        };
        const plan = await planBake(request);
        if (options.print === true) return context.terminal.out(JSON.stringify(plan, null, 2));
        const { dataDir } = await context.loadConfig();
        const waves = await prepareBake(plan, request, join(dataDir, "bake"));
        await withClient(context, (session) => buildAll(context, session, { waves, options }));
      }),
    );
};

interface Baking {
  readonly waves: readonly (readonly { readonly target: string; readonly recipe: string }[])[];
  readonly options: Options;
}

/** Wave by wave, since each is built on what the one before published, by a lock that moves with it. */
async function buildAll(context: CommandContext, session: Session, { waves, options }: Baking): Promise<void> {
  const { recipesOnMovedBases } = await import("../../pipeline/pipeline.ts");
  const mode = options.locked === true ? "locked" : options.update === true ? "update" : "auto";
  for (const [at, wave] of waves.entries()) {
    const folders = wave.map(({ recipe }) => recipe);
    const moved = at === 0 || mode !== "auto" ? new Set() : await recipesOnMovedBases(session.config, folders);
    const builds = wave.map(({ target, recipe }) => ({
      name: target,
      request: buildRequest(recipe, {}, moved.has(recipe) ? "update" : mode),
    }));
    await buildTogether(context, session, builds);
  }
}
