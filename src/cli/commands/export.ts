import { resolve } from "node:path";
import { examples, type Define } from "../command.ts";
import { showBytes } from "../output/amounts.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { runJob } from "../run-job.ts";
import { withClient } from "../session.ts";

interface ExportOptions {
  readonly output: string;
  readonly zstd?: boolean;
  readonly advisories?: boolean;
  readonly replace?: boolean;
}

/** What the export job gives; see `ExportReport` of the pipeline. */
interface Exported {
  readonly file: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly images: readonly {
    readonly repository: string;
    readonly tags: readonly string[];
    readonly digest: string;
    readonly isSigned: boolean;
  }[];
  readonly feeds: readonly string[];
}

/** `mintmark export IMAGE… -o FILE`. */
export const define: Define = (command, run) => {
  command
    .argument("<image...>", "repository[:tag] or repository@digest")
    .requiredOption("-o, --output <file>", "a file of the server's machine")
    .option("--zstd", "compress it; names that end in .zst do by themselves")
    .option("--advisories", "with every imported feed of advisories")
    .option("--replace", "write over a file that is there")
    .addHelpText(
      "after",
      examples(
        ["mintmark export base/debian:12 -o images.tar", "with children, signatures, evidence and our public keys"],
        ["mintmark export base/debian:12 base/java:21 --advisories -o week.tar.zst", "several, with advisories"],
      ),
    )
    .action(
      run((context, [images]: readonly [string[]], options: ExportOptions) =>
        withClient(context, async ({ client }) => {
          const { id } = await client.exportImages({
            images,
            file: resolve(options.output),
            isCompressed: options.zstd === true || options.output.endsWith(".zst"),
            withAdvisories: options.advisories === true,
            isReplacing: options.replace === true,
          });
          const report = (await runJob(context, client, id, { onInterrupt: "cancel" })).output as Exported;
          const rows = report.images.map((image) => [
            `${image.repository}${image.tags.length === 0 ? "" : `:${image.tags.join(",")}`}`,
            image.digest.slice(0, 19),
            image.isSigned ? "signed" : "not signed",
          ]);
          printAnswer(context, report, [
            ...tableOf(context, ["IMAGE", "DIGEST", "SIGNATURE"], rows),
            ...(report.feeds.length === 0 ? [] : [`advisories: ${report.feeds.join(", ")}`]),
            `${report.file}  ${showBytes(report.sizeBytes)}  sha256 ${report.sha256}`,
          ]);
        }),
      ),
    );
};
