import { join, resolve } from "node:path";
import { examples, type CommandContext, type Define } from "../command.ts";
import { buildRequest } from "../build-flags.ts";
import { printImage, runBuild } from "../run-build.ts";
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
  readonly waves: readonly (readonly { readonly recipe: string; readonly architectures: readonly string[] }[])[];
  readonly options: Options;
}

async function buildAll(context: CommandContext, session: Session, { waves, options }: Baking): Promise<void> {
  const mode = options.locked === true ? "locked" : options.update === true ? "update" : "auto";
  for (const { recipe, architectures } of waves.flat())
    for (const platform of architectures.length === 0 ? [undefined] : architectures) {
      const request = buildRequest(recipe, platform === undefined ? {} : { platform }, mode);
      printImage(context, await runBuild(context, session.client, request), session);
    }
}
