import { resolve } from "node:path";
import type { Command } from "commander";
import { errorCodes } from "../../base/error-codes.ts";
import { examples, type RunAction } from "../command.ts";
import { showBytes } from "../output/amounts.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { cut } from "../output/table.ts";
import { runJob } from "../run-job.ts";
import { withClient } from "../session.ts";

/** `mintmark mirror usage | clean | prefetch | export | import`. */
export function defineMirrorCare(command: Command, run: RunAction): void {
  defineUsage(command, run);
  defineClean(command, run);
  definePrefetch(command, run);
  defineExport(command, run);
  defineImport(command, run);
}

function defineUsage(command: Command, run: RunAction): void {
  command
    .command("usage")
    .summary("show what repositories hold and how they are used")
    .addHelpText("after", examples(["mintmark mirror usage --json", "as JSON, in bytes"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const { mirrors } = await client.mirrors();
          const usage = mirrors.map(({ name, quotaBytes, usage: used }) => ({ name, quotaBytes, ...used }));
          const rows = usage.map((one) => [
            one.name,
            String(one.fileCount),
            String(one.documentCount),
            showBytes(one.sizeBytes),
            showBytes(one.madeBytes),
            String(one.useCount),
            one.usedAt ?? "never",
            one.quotaBytes === undefined
              ? "none"
              : `${Math.round((one.sizeBytes / Math.max(one.quotaBytes, 1)) * 100)} %`,
          ]);
          const titles = ["NAME", "FILES", "DOCUMENTS", "SIZE", "MADE", "USES", "LAST USED", "OF QUOTA"];
          printAnswer(context, { usage }, tableOf(context, titles, rows));
        }),
      ),
    );
}

/** What the clean job gives; see `CleanReport` of the mirror. */
interface Cleaned {
  readonly isDryRun: boolean;
  readonly entryCount: number;
  readonly freedBytes: number;
  readonly keptCount: number;
  readonly keptBytes: number;
  readonly examples: readonly {
    readonly repository: string;
    readonly key: string;
    readonly sizeBytes: number;
    readonly isKept: boolean;
    readonly reason: string;
  }[];
}

function defineClean(command: Command, run: RunAction): void {
  command
    .command("clean")
    .summary("take away what was fetched and nobody uses; locks and images keep theirs")
    .option("--repository <name>", "only this one")
    .option("--unused <days>", "not used for so many days", "90")
    .option("--dry-run", "only say what would go, and why the rest stays")
    .addHelpText("after", examples(["mintmark mirror clean --unused 30 --dry-run", "what would go"]))
    .action(
      run(
        (
          context,
          _args: readonly [],
          options: { readonly repository?: string; readonly unused: string; readonly dryRun?: boolean },
        ) =>
          withClient(context, async ({ client }) => {
            const { id } = await client.cleanMirrors({
              unusedDays: Number(options.unused),
              isDryRun: options.dryRun === true,
              ...(options.repository === undefined ? {} : { repository: options.repository }),
            });
            const report = (await runJob(context, client, id, { onInterrupt: "cancel" })).output as Cleaned;
            const rows = report.examples.map((one) => [
              one.isKept ? "stays" : report.isDryRun ? "would go" : "went",
              one.repository,
              cut(one.key, 60),
              showBytes(one.sizeBytes),
              one.reason,
            ]);
            printAnswer(context, report, [
              ...(rows.length === 0 ? [] : tableOf(context, ["", "REPOSITORY", "WHAT", "SIZE", "REASON"], rows)),
              `${report.isDryRun ? "would free" : "freed"} ${showBytes(report.freedBytes)} of ${report.entryCount} entries; ${report.keptCount} unused ones stay (${showBytes(report.keptBytes)})`,
            ]);
          }),
      ),
    );
}

/** What the prefetch job gives; see `PrefetchReport` of the mirror. */
interface Prefetched {
  readonly kind: string;
  readonly done: number;
  readonly fetchedCount: number;
  readonly presentCount: number;
  readonly sizeBytes: number;
  readonly failed: readonly { readonly title: string; readonly reason: string }[];
  readonly skipped: readonly { readonly title: string; readonly reason: string }[];
}

function definePrefetch(command: Command, run: RunAction): void {
  command
    .command("prefetch")
    .summary("fetch everything that a lock file names")
    .argument(
      "<file>",
      "package-lock.json, requirements.txt, poetry.lock, uv.lock, pdm.lock, pylock.toml, go.sum, Cargo.lock, gradle.lockfile, pom.xml, mvn dependency:list, or a lock of ours",
    )
    .addHelpText(
      "after",
      examples(
        ["mintmark mirror prefetch package-lock.json", "what npm ci will ask for"],
        ["mintmark mirror prefetch recipes/app/lock.containerfile-amd64.json", "what a build will ask for"],
      ),
    )
    .action(
      run((context, [file]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const { id } = await client.prefetchMirrors({ file: resolve(file) });
          const report = (await runJob(context, client, id, { onInterrupt: "cancel" })).output as Prefetched;
          printAnswer(context, report, [
            ...report.failed.map(({ title, reason }) => `failed: ${title}: ${reason}`),
            ...report.skipped.map(({ title, reason }) => `left out: ${title}: ${reason}`),
            `${report.kind}: ${report.fetchedCount} fetched, ${report.presentCount} here already, ${showBytes(report.sizeBytes)}${report.failed.length === 0 ? "" : `, ${report.failed.length} failed`}`,
          ]);
          return report.failed.length === 0 ? 0 : errorCodes.upstream_unreachable.exit;
        }),
      ),
    );
}

/** What the export job gives; see `MirrorExportReport` of the pipeline. */
interface Exported {
  readonly file: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly repositories: readonly { readonly name: string; readonly entryCount: number }[];
}

function defineExport(command: Command, run: RunAction): void {
  command
    .command("export")
    .summary("write repositories with all that they hold into an archive")
    .argument("[name...]", "repositories, groups with their members; all where none is named")
    .requiredOption("-o, --output <file>", "a file of the server's machine")
    .option("--zstd", "compress it; names that end in .zst do by themselves")
    .option("--replace", "write over a file that is there")
    .addHelpText("after", examples(["mintmark mirror export npm pypi -o packages.tar.zst", "to carry over an air gap"]))
    .action(
      run(
        (
          context,
          [names]: readonly [string[]],
          options: { readonly output: string; readonly zstd?: boolean; readonly replace?: boolean },
        ) =>
          withClient(context, async ({ client }) => {
            const { id } = await client.exportMirrors({
              repositories: names,
              file: resolve(options.output),
              isCompressed: options.zstd === true || options.output.endsWith(".zst"),
              isReplacing: options.replace === true,
            });
            const report = (await runJob(context, client, id, { onInterrupt: "cancel" })).output as Exported;
            const rows = report.repositories.map(({ name, entryCount }) => [name, String(entryCount)]);
            printAnswer(context, report, [
              ...tableOf(context, ["REPOSITORY", "ENTRIES"], rows),
              `${report.file}  ${showBytes(report.sizeBytes)}  sha256 ${report.sha256}`,
            ]);
          }),
      ),
    );
}

/** What the import job gives; see `MirrorImportReport` of the pipeline. */
interface Imported {
  readonly repositories: readonly { readonly name: string; readonly entryCount: number; readonly isNew: boolean }[];
  readonly blobCount: number;
}

function defineImport(command: Command, run: RunAction): void {
  command
    .command("import")
    .summary("take an archive of repositories in, once all of it is verified")
    .argument("<file>", "a file of the server's machine that `mirror export` wrote")
    .option("--online", "let repositories that are made for it ask their upstreams")
    .addHelpText("after", examples(["mintmark mirror import packages.tar.zst", "on the other side of the air gap"]))
    .action(
      run((context, [file]: readonly [string], { online = false }: { readonly online?: boolean }) =>
        withClient(context, async ({ client }) => {
          const { id } = await client.importMirrors({ file: resolve(file), isOnline: online });
          const report = (await runJob(context, client, id, { onInterrupt: "cancel" })).output as Imported;
          const rows = report.repositories.map(({ name, entryCount, isNew }) => [
            name,
            String(entryCount),
            isNew ? "made" : "was there",
          ]);
          printAnswer(context, report, [
            ...tableOf(context, ["REPOSITORY", "ENTRIES", "STATE"], rows),
            `${report.blobCount} blobs verified`,
            ...(online || report.repositories.every(({ isNew }) => isNew)
              ? []
              : ["what was there asks its upstream as before: `mintmark mirror change NAME --offline` ends that"]),
          ]);
        }),
      ),
    );
}
