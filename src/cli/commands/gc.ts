import type { Command } from "commander";
import { errorCodes } from "../../base/error-codes.ts";
import type { Explanation, NewCollection } from "../../client/api-types.ts";
import { examples, type CommandContext, type Define, type RunAction } from "../command.ts";
import { showBytes } from "../output/amounts.ts";
import { cut, tableLines } from "../output/table.ts";
import { runJob } from "../run-job.ts";
import { withClient } from "../session.ts";
import { spanSeconds } from "../span.ts";

interface RunOptions {
  readonly dryRun?: boolean;
  readonly grace?: string;
  readonly untagged?: string;
  readonly keepUntagged?: boolean;
  readonly trash?: string;
}

/** What the collection job gives; see `CollectionReport` of the registry. */
interface Report {
  readonly dryRun: boolean;
  readonly uploads: number;
  readonly trashedManifests: number;
  readonly trashedBlobs: number;
  readonly purgedManifests: number;
  readonly purgedBlobs: number;
  readonly removedBlobs: number;
  readonly freedBytes: number;
  readonly spared: number;
  readonly stays: Readonly<Record<"linked" | "trash" | "held" | "fresh", number>>;
  readonly storedBytes: number;
}

/** `mintmark gc`, and `mintmark gc plan | list | restore | explain | runs`. */
export const define: Define = (command, run) => {
  command
    .option("--dry-run", "find out what would be taken, and take nothing")
    .option("--grace <span>", "how long blobs that no manifest names stay untouched, such as 2h")
    .option("--untagged <span>", "how long manifests that nothing reaches stay untouched, such as 7d")
    .option("--keep-untagged", "keep manifests that nothing reaches")
    .option("--trash <span>", "how long the trash keeps what was taken; 0 empties it")
    .addHelpText(
      "after",
      examples(
        ["mintmark gc --dry-run", "what would go; then `mintmark gc plan` lists it"],
        ["mintmark gc", "collect now, by the times of the configuration"],
        ["mintmark gc --trash 0", "empty the trash too: what is in it cannot come back"],
        ["mintmark gc explain sha256:…", "why something stays"],
      ),
    )
    .action(
      run((context, _args, options: RunOptions) =>
        withClient(context, async ({ client }) => {
          const { id } = await client.startCollection(requestOf(options));
          const report = (await runJob(context, client, id, { onInterrupt: "cancel" })).output as Report;
          if (context.flags.json === true) return context.terminal.out(JSON.stringify(report, null, 2));
          context.terminal.out(linesOf(report).join("\n"));
        }),
      ),
    );
  definePlan(command, run);
  defineList(command, run);
  defineRestore(command, run);
  defineExplain(command, run);
  defineRuns(command, run);
};

function requestOf({ dryRun, grace, untagged, keepUntagged, trash }: RunOptions): NewCollection {
  return {
    ...(dryRun === true ? { dryRun } : {}),
    ...(keepUntagged === true ? { deleteUntagged: false } : {}),
    ...(grace === undefined ? {} : { graceSeconds: spanSeconds(grace) }),
    ...(untagged === undefined ? {} : { untaggedSeconds: spanSeconds(untagged) }),
    ...(trash === undefined ? {} : { trashSeconds: spanSeconds(trash) }),
  };
}

function linesOf(report: Report): string[] {
  const { stays } = report;
  const would = report.dryRun ? "would be " : "";
  return [
    `${would}moved into the trash: ${report.trashedManifests} manifests, ${report.trashedBlobs} blobs of repositories`,
    `${would}dropped from the trash: ${report.purgedManifests} manifests, ${report.purgedBlobs} blobs of repositories`,
    `${would}removed: ${report.removedBlobs} blobs, ${report.uploads} abandoned uploads; ${showBytes(report.freedBytes)} freed`,
    ...(report.spared === 0 ? [] : [`spared, since somebody came back to them: ${report.spared}`]),
    `stay: ${stays.linked} blobs of repositories, ${stays.trash} in the trash, ${stays.held} that images and builds need, ${stays.fresh} fresh ones; ${showBytes(report.storedBytes)}`,
  ];
}

function definePlan(command: Command, run: RunAction): void {
  command
    .command("plan")
    .summary("list what the last dry run would have taken")
    .addHelpText("after", examples(["mintmark gc plan --json", "with every reason"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const plan = await client.collectionPlan();
          if (flags.json === true) return terminal.out(JSON.stringify(plan, null, 2));
          const rows = plan.items.map((item) => [
            item.kind,
            item.repository ?? "",
            item.digest,
            showBytes(item.sizeBytes),
            cut(item.reason, 60),
          ]);
          terminal.out(tableLines(["KIND", "REPOSITORY", "DIGEST", "SIZE", "REASON"], rows, terminal.paint).join("\n"));
        }),
      ),
    );
}

function defineList(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list what is in the trash and can come back")
    .addHelpText("after", examples(["mintmark gc list", "newest first"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const trash = await client.trash();
          if (flags.json === true) return terminal.out(JSON.stringify(trash, null, 2));
          const rows = [
            ...trash.manifests.map((one) => [one.repository, one.tags.join(" "), one] as const),
            ...trash.blobs.map((one) => [one.repository, "", one] as const),
          ].map(([repository, tags, { digest, sizeBytes, reason, trashedAt }]) => [
            repository,
            cut(tags, 30),
            digest,
            showBytes(sizeBytes),
            trashedAt,
            cut(reason, 50),
          ]);
          const head = ["REPOSITORY", "TAGS", "DIGEST", "SIZE", "SINCE", "REASON"];
          terminal.out(tableLines(head, rows, terminal.paint).join("\n"));
        }),
      ),
    );
}

function defineRestore(command: Command, run: RunAction): void {
  command
    .command("restore")
    .summary("put a manifest back with its tags, or a blob")
    .argument("<digest>", "as `mintmark gc list` shows it")
    .option("--repository <name>", "where the trash has it of several")
    .addHelpText("after", examples(["mintmark gc restore sha256:… --repository team/app", "undo a deletion"]))
    .action(
      run((context, [digest]: readonly [string], { repository }: { readonly repository?: string }) =>
        withClient(context, async ({ client }) => {
          const restored = await client.restoreFromTrash({
            digest,
            ...(repository === undefined ? {} : { repository }),
          });
          if (context.flags.json === true) return context.terminal.out(JSON.stringify(restored, null, 2));
          const { digests, tags, takenTags } = restored;
          context.terminal.out(
            `${restored.repository}: ${digests.length} restored, with ${tags.length === 0 ? "no tags" : `the tags ${tags.join(", ")}`}`,
          );
          if (takenTags.length > 0)
            context.terminal.err(`These tags point elsewhere by now and were let be: ${takenTags.join(", ")}\n`);
        }),
      ),
    );
}

function defineExplain(command: Command, run: RunAction): void {
  command
    .command("explain")
    .summary("tell why a blob or manifest stays, or that it does not")
    .argument("<digest>", "of a manifest or a blob")
    .addHelpText(
      "after",
      examples(["mintmark gc explain sha256:…", "the way from a tag to it; exit code 1 if unknown"]),
    )
    .action(
      run((context, [digest]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const explanation = await client.explainDigest(digest);
          if (context.flags.json === true) context.terminal.out(JSON.stringify(explanation, null, 2));
          else context.terminal.out(explanationLines(explanation, context).join("\n"));
          const isKnown =
            explanation.places.length + explanation.trash.length > 0 || explanation.sizeBytes !== undefined;
          return isKnown ? 0 : errorCodes.not_found.exit;
        }),
      ),
    );
}

function explanationLines(
  { digest, sizeBytes, places, trash }: Explanation,
  { terminal: { paint } }: CommandContext,
): string[] {
  const lines = [`${digest}${sizeBytes === undefined ? "" : `, ${showBytes(sizeBytes)} on disk`}`];
  for (const { repository, kind, stays, path } of places) {
    const where = repository === "" ? "the factory" : repository;
    lines.push(`${where}: ${stays ? "stays" : paint.bad("goes")} (${kind})`, ...path.map((step) => `  ${step}`));
  }
  for (const { repository, reason, trashedAt } of trash)
    lines.push(`${repository}: in the trash since ${trashedAt}: ${reason}`);
  if (places.length + trash.length === 0)
    lines.push(
      sizeBytes === undefined
        ? "  the store does not have it"
        : "  nothing names it: it goes once nobody touched it for the grace",
    );
  return lines;
}

function defineRuns(command: Command, run: RunAction): void {
  command
    .command("runs")
    .summary("list collections and scrubs")
    .addHelpText("after", examples(["mintmark gc runs", "newest first"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const list = await client.collections();
          if (flags.json === true) return terminal.out(JSON.stringify(list, null, 2));
          const rows = list.runs.map((one) => [
            one.id,
            one.kind,
            one.startedAt,
            one.outcome ?? one.phase,
            one.actor,
            typeof one.report["freedBytes"] === "number" ? showBytes(one.report["freedBytes"]) : "",
          ]);
          terminal.out(tableLines(["ID", "KIND", "STARTED", "STATE", "BY", "FREED"], rows, terminal.paint).join("\n"));
        }),
      ),
    );
}
