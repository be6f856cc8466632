import { join } from "node:path";
import { errorCodes, type ErrorCodeName } from "../base/error-codes.ts";
import { Failure } from "../base/errors.ts";
import type { Build, Image, NewBuild } from "../client/api-types.ts";
import type { Client } from "../client/client.ts";
import type { Config } from "../config/config.ts";
import type { CommandContext } from "./command.ts";
import { imageSummary } from "./output/image-summary.ts";
import { openProgress } from "./output/progress.ts";

/**
 * Asks for a build, shows it while it goes, and returns the image.
 *
 * An interrupt stops the build itself, not only the watching.
 *
 * @throws Failure with the code of what made the build fail
 */
export async function runBuild(context: CommandContext, client: Client, request: NewBuild): Promise<Image> {
  const { id } = await client.startBuild(request);
  const view = openProgress(context.terminal, context.flags.quiet === true);
  try {
    for await (const { event } of client.follow(id, { signal: context.stopped })) view.show(event);
  } catch (error) {
    if (context.stopped.aborted) await client.cancelBuild(id);
    throw error;
  } finally {
    view.close();
  }
  const build = await client.build(id);
  if (build.image === undefined || build.state !== "succeeded") throw buildFailure(build);
  return await client.image(build.image);
}

function buildFailure({ id, failure, request }: Build): Failure {
  const code =
    failure !== undefined && Object.hasOwn(errorCodes, failure.code) ? (failure.code as ErrorCodeName) : "internal";
  return new Failure(code, failure?.message ?? `Cannot build "${request.recipe}": the build ended without an image`, {
    hint: failure?.hint ?? `The whole log: mintmark build --follow ${id}`,
    details: { build: id },
  });
}

/** Prints an image as JSON or as the summary for people. */
export function printImage(
  context: CommandContext,
  image: Image,
  where: { readonly config: Config; readonly url: string | undefined },
): void {
  const { terminal, flags } = context;
  const keyPath = join(where.config.dataDir, "keys", "release.pub");
  if (flags.json === true) terminal.out(JSON.stringify(image, null, 2));
  else terminal.out(imageSummary(image, { url: where.config.publicUrl ?? where.url, keyPath, paint: terminal.paint }));
}
