import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Failure, messageOf } from "../../base/errors.ts";
import { examples, type Define } from "../command.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { runJob } from "../run-job.ts";
import { withClient } from "../session.ts";

interface ImportOptions {
  readonly into?: string;
  readonly key?: string[];
  /** False with `--no-advisories`. */
  readonly advisories: boolean;
}

/** What the import job gives; see `ImportReport` of the pipeline. */
interface Imported {
  readonly images: readonly {
    readonly repository: string;
    readonly tags: readonly string[];
    readonly digest: string;
    readonly isNew: boolean;
    readonly signedBy?: string;
  }[];
  readonly trust: "given" | "archive" | "none";
  readonly feeds: readonly { readonly feed: string; readonly recordCount: number }[];
}

/** `mintmark import FILE`. */
export const define: Define = (command, run) => {
  command
    .argument("<file>", "an archive of `mintmark export`, or an OCI layout as a tar file")
    .option("--into <reference>", "repository[:tag], instead of the name in the archive")
    .option("--key <path...>", "files with public keys: every image must be signed by one of them")
    .option("--no-advisories", "leave the advisories in the archive alone")
    .addHelpText(
      "after",
      examples(
        ["mintmark import images.tar --key release.pub", "only what that key signed; all of it, or nothing"],
        ["mintmark import layout.tar --into team/app:1.0", "a layout that skopeo, oras or docker wrote"],
      ),
    )
    .action(
      run((context, [file]: readonly [string], options: ImportOptions) =>
        withClient(context, async ({ client }) => {
          const keys = await Promise.all((options.key ?? []).map(readKey));
          const { id } = await client.importImages({
            file: resolve(file),
            keys,
            withAdvisories: options.advisories,
            ...(options.into === undefined ? {} : { into: options.into }),
          });
          const report = (await runJob(context, client, id, { onInterrupt: "cancel" })).output as Imported;
          const rows = report.images.map((image) => [
            `${image.repository}${image.tags.length === 0 ? "" : `:${image.tags.join(",")}`}`,
            image.digest.slice(0, 19),
            image.isNew ? "new" : "was here",
            image.signedBy === undefined ? "not signed" : `signed by ${image.signedBy.slice(0, 12)}`,
          ]);
          printAnswer(context, report, [
            ...tableOf(context, ["IMAGE", "DIGEST", "STATE", "SIGNATURE"], rows),
            ...report.feeds.map(({ feed, recordCount }) => `advisories: ${feed}, ${recordCount} records`),
          ]);
          if (report.trust === "archive")
            context.terminal.err(
              "The signatures are right by the keys in the archive itself: who made it is proven only with --key\n",
            );
        }),
      ),
    );
};

async function readKey(path: string): Promise<string> {
  return await readFile(path, "utf8").catch((error: unknown) => {
    throw new Failure("not_found", `Cannot read the key "${path}": ${messageOf(error)}`);
  });
}
