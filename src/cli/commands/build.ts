import { Failure } from "../../base/errors.ts";
import { addBuildFlags, buildRequest, type BuildFlags } from "../build-flags.ts";
import { buildVariants } from "../build-variants.ts";
import { examples, type CommandContext, type Define } from "../command.ts";
import type { Image } from "../../client/api-types.ts";
import { openProgress } from "../output/progress.ts";
import { proved } from "../prove.ts";
import { printImage, runBuild } from "../run-build.ts";
import { withClient, type Session } from "../session.ts";

interface Options extends BuildFlags {
  readonly locked?: boolean;
  readonly update?: boolean;
  readonly prove?: boolean;
  readonly withVariants?: boolean;
  readonly detach?: boolean;
  readonly follow?: string;
}

/** `mintmark build RECIPE…`: mints images. */
export const define: Define = (command, run) => {
  addBuildFlags(command.argument("[recipe...]", "folders that hold an image.yaml, or names of shipped recipes"))
    .option("--locked", "use exactly the lock, without network")
    .option("--update", "resolve anew and write the lock")
    .option("--prove", "build it once more from the lock alone, and fail where anything differs")
    .option("--with-variants", "and then all shipped recipes that are built on them, as far as they are due")
    .option("--detach", "print the build's id and return; needs a running server")
    .option("--follow <build>", "show a build that was started before")
    .addHelpText(
      "after",
      examples(
        ["mintmark build base", "with the lock where it is fresh, else resolve"],
        ["mintmark build ./recipes/base --update", "take the newest packages"],
        ["mintmark build base --with-variants", "and what is built on it"],
        ["mintmark build base --locked", "offline, bit for bit"],
        ["mintmark build ./app --prove", "and see that the same comes out twice"],
        ["mintmark build base --json", "the image as JSON"],
      ),
    )
    .action(
      run((context, [recipes]: readonly [string[]], options: Options) =>
        withClient(context, (session) => build(context, session, { recipes, options }), {
          proves: options.prove === true,
        }),
      ),
    );
};

async function build(
  context: CommandContext,
  session: Session,
  { recipes, options }: { readonly recipes: readonly string[]; readonly options: Options },
): Promise<void> {
  if (options.follow !== undefined) return await follow(context, session, options.follow);
  if (recipes.length === 0)
    throw new Failure("usage", "Cannot build: no recipe is named", { hint: "Name one, such as `mintmark build base`" });
  if (options.locked === true && options.update === true)
    throw new Failure("usage", "Cannot build: --locked and --update exclude each other");
  if (options.prove === true && (options.detach === true || options.withVariants === true))
    throw new Failure("usage", "Cannot build: --prove waits for single images; leave --detach and --with-variants out");
  const mode = options.locked === true ? "locked" : options.update === true ? "update" : "auto";
  if (options.withVariants === true)
    return await buildVariants(context, session, {
      recipes,
      mode: mode === "auto" ? undefined : mode,
      flags: options,
    });
  for (const recipe of recipes) {
    const request = { ...buildRequest(recipe, options, mode), prove: options.prove === true };
    if (options.detach === true) await detach(context, session, request);
    else {
      if (recipes.length > 1 && context.flags.quiet !== true)
        context.terminal.err(`${context.terminal.paint.bold(recipe)}\n`);
      const image = await runBuild(context, session.client, request);
      if (options.prove === true) await prove(context, session, image);
      else printImage(context, image, session);
    }
  }
}

async function prove(context: CommandContext, session: Session, built: Image): Promise<void> {
  const image = await proved(context, session.client, built);
  printImage(context, image, session);
  if (image.reproduced !== "no") return;
  throw new Failure("verification_failed", `"${image.repository}" is not the same twice`, {
    hint: "docs/how-to/build-containerfiles.md tells what makes commands differ",
    details: { difference: image.difference },
  });
}

async function detach(
  { terminal, flags }: CommandContext,
  session: Session,
  request: ReturnType<typeof buildRequest>,
): Promise<void> {
  if (session.url === undefined)
    throw new Failure("usage", "Cannot detach: no server runs that could go on with the build", {
      hint: "Start one with `mintmark serve`, or leave --detach out",
    });
  const accepted = await session.client.startBuild(request);
  terminal.out(flags.json === true ? JSON.stringify(accepted, null, 2) : accepted.id);
}

async function follow(context: CommandContext, { client }: Session, id: string): Promise<void> {
  const { terminal, flags } = context;
  const view = openProgress(terminal, flags.quiet === true || flags.json === true);
  try {
    for await (const event of client.follow(id, { signal: context.stopped }))
      if (flags.json === true) terminal.out(JSON.stringify(event));
      else view.show(event.event);
  } finally {
    view.close();
  }
  const { state, failure } = await client.build(id);
  if (state === "failed")
    throw new Failure(
      "conflict",
      `The build "${id}" failed: ${failure?.message ?? "without a reason"}`,
      failure?.hint === undefined ? {} : { hint: failure.hint },
    );
}
