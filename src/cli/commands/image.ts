import { isRepository } from "../../model/reference.ts";
import { Failure } from "../../base/errors.ts";
import { severities } from "../../model/finding.ts";
import type { Image } from "../../client/api-types.ts";
import type { Command } from "commander";
import { examples, type Define, type RunAction } from "../command.ts";
import { showBytes } from "../output/amounts.ts";
import { tableLines } from "../output/table.ts";
import { printImage } from "../run-build.ts";
import { withClient } from "../session.ts";

/** `mintmark image list | show | tags`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark image list", "all images, newest first"],
      ["mintmark image show base:latest", "one of them"],
      ["mintmark image tags base", "the tags of a repository"],
    ),
  );
  defineList(command, run);
  command
    .command("show")
    .summary("show one image")
    .argument("<image>", "repository:tag or digest")
    .addHelpText("after", examples(["mintmark image show base:latest", "the same as inspect"]))
    .action(
      run((context, [image]: readonly [string]) =>
        withClient(context, async (session) => printImage(context, await session.client.image(image), session)),
      ),
    );
  defineTags(command, run);
};

function defineList(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list images, newest first")
    .option("--repository <name>", "only of this repository")
    .addHelpText("after", examples(["mintmark image list", "all"], ["mintmark image list --json", "as JSON"]))
    .action(
      run((context, _args: readonly [], options: { readonly repository?: string }) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const list = await client.images(options);
          if (flags.json === true) return terminal.out(JSON.stringify(list, null, 2));
          if (list.images.length === 0) return terminal.err("No images yet: mint one with `mintmark build base`\n");
          terminal.out(
            tableLines(
              ["IMAGE", "ARCH", "DIGEST", "BUILT", "SIZE", "PACKAGES", "FINDINGS", "GATE"],
              list.images.map(row),
              terminal.paint,
            ).join("\n"),
          );
        }),
      ),
    );
}

function defineTags(command: Command, run: RunAction): void {
  command
    .command("tags")
    .summary("list the tags of a repository and the digest behind each")
    .argument("<repository>", "such as base")
    .addHelpText("after", examples(["mintmark image tags base", "tag and digest"]))
    .action(
      run((context, [repository]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          if (!isRepository(repository))
            throw new Failure("usage", `Cannot list the tags of "${repository}": it is not a repository name`);
          const { images } = await client.images({ repository });
          const tags = images
            .flatMap((image) => (image.index === undefined ? [image] : [image, image.index]))
            .flatMap(({ tags: names, digest }) => names.map((tag) => ({ tag, digest })))
            // Every image of an index tells the index's tags.
            .filter(({ tag }, at, all) => all.findIndex((other) => other.tag === tag) === at)
            .toSorted((a, b) => (a.tag < b.tag ? -1 : 1));
          if (tags.length === 0)
            throw new Failure("not_found", `Cannot find the repository "${repository}": no image on record is in it`);
          const { terminal, flags } = context;
          terminal.out(
            flags.json === true
              ? JSON.stringify({ repository, tags }, null, 2)
              : tableLines(
                  ["TAG", "DIGEST"],
                  tags.map(({ tag, digest }) => [tag, digest]),
                  terminal.paint,
                ).join("\n"),
          );
        }),
      ),
    );
}

/** Short digests are for reading; `--json` has them whole. */
function row(image: Image): string[] {
  const found = severities
    .filter((severity) => image.severities[severity] > 0)
    .map((severity) => `${image.severities[severity]} ${severity}`);
  const names = [...image.tags, ...(image.index?.tags ?? [])];
  const tags = names.length === 0 ? "" : `:${names.join(",")}`;
  return [
    `${image.repository}${tags}`,
    image.architecture,
    image.digest.slice(0, 19),
    image.builtAt,
    showBytes(image.sizeBytes),
    String(image.packageCount),
    found.join(", ") || "none known",
    image.verdict,
  ];
}
