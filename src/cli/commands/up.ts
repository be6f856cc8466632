import { join } from "node:path";
import type { Client } from "../../client/client.ts";
import { connectToOwner } from "../../client/client.ts";
import type { Config } from "../../config/config.ts";
import type { Image } from "../../client/api-types.ts";
import { Failure } from "../../base/errors.ts";
import { buildRequest } from "../build-flags.ts";
import { examples, type CommandContext, type Define } from "../command.ts";
import { printFailure } from "../output/failure-lines.ts";
import { printImage, runBuild } from "../run-build.ts";
import { serveWhile } from "../serve-while.ts";

interface Options {
  readonly once?: boolean;
  readonly recipe: string;
}

/** `mintmark up`: server and worker in one; mints the starter image where there is none yet; stays up. */
export const define: Define = (command, run) => {
  command
    .option("--once", "exit after the summary, non-zero where anything failed")
    .option("--recipe <recipe>", "the recipe of the starter image", "base")
    .addHelpText(
      "after",
      examples(
        ["mintmark up", "serve, and mint the starter image on the first run"],
        ["mintmark up --once", "prove that this machine can mint, then exit"],
        ["mintmark up --listen 127.0.0.1:0", "on a free port, which is printed"],
      ),
    )
    .action(
      run(async (context, _args, options: Options) => {
        const config = await context.loadConfig();
        const owner = await connectToOwner(config.dataDir);
        if (owner !== undefined) return await besideOwner(context, { config, ...owner }, options);
        return await serveWhile(context, config, async ({ client, url }) => {
          context.terminal.err(`Mintmark listens on ${url}, data in ${config.dataDir}\n`);
          context.terminal.err(
            `The administrator is "admin", the password is in ${join(config.dataDir, "admin-password")}\n\n`,
          );
          return await mintAndStay(context, { client, config, url }, options);
        });
      }),
    );
};

interface Site {
  readonly client: Client;
  readonly config: Config;
  readonly url: string;
}

async function mintAndStay(context: CommandContext, site: Site, options: Options): Promise<number> {
  let code = 0;
  try {
    printImage(context, await starterImage(context, site.client, options.recipe), site);
  } catch (error) {
    if (options.once === true || context.stopped.aborted) throw error;
    // The server is of use without the starter image: it stays, and says what failed.
    code = printFailure(error, context.terminal);
  }
  if (options.once === true) return code;
  context.terminal.err(`\n${code === 0 ? "Ready." : "Serving nevertheless."} Stop with Ctrl-C.\n`);
  if (!context.stopped.aborted)
    await new Promise<void>((resolve) => context.stopped.addEventListener("abort", () => resolve()));
  return code;
}

/** The newest image of the recipe; one is built where there is none. */
async function starterImage(context: CommandContext, client: Client, recipe: string): Promise<Image> {
  const { images } = await client.images();
  const known = images.find((image) => image.recipe === recipe && image.tags.length > 0);
  return known ?? (await runBuild(context, client, buildRequest(recipe, {}, "auto")));
}

async function besideOwner(
  context: CommandContext,
  site: {
    readonly config: Config;
    readonly client: Client;
    readonly server: { readonly url: string; readonly pid: number };
  },
  options: Options,
): Promise<number> {
  const { url, pid } = site.server;
  if (options.once !== true)
    throw new Failure(
      "data_locked",
      `Cannot start a second server on "${site.config.dataDir}": process ${pid} serves it at ${url}`,
      {
        hint: "Use that one, stop it, or name another folder with --data",
      },
    );
  printImage(context, await starterImage(context, site.client, options.recipe), { config: site.config, url });
  return 0;
}
