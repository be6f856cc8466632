import { severities } from "../../model/finding.ts";
import type { ImageReports, ScanReport } from "../../client/api-types.ts";
import { Option } from "commander";
import { sleep } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import type { Client } from "../../client/client.ts";
import { examples, type CommandContext, type Define } from "../command.ts";
import { showDuration } from "../output/amounts.ts";
import { findingLines } from "../output/findings-table.ts";
import { cut, tableLines } from "../output/table.ts";
import { withClient } from "../session.ts";

interface Options {
  readonly severity?: string;
  readonly output: "table" | "json";
  readonly now?: boolean;
  readonly list?: boolean;
  readonly state?: string;
}

/** `mintmark scan IMAGE`: what is known against an image now; `--list` shows the scans of all images. */
export const define: Define = (command, run) => {
  command
    .argument("[image]", "repository:tag, or repository@digest")
    .option("--severity <list>", `only these: ${severities.join(", ")}`)
    .option("--now", "read the image again first")
    .option("--list", "the scans of all images instead")
    .option("--state <state>", "with --list, only queued, running, done, failed or unscannable ones")
    .addOption(new Option("-o, --output <format>", "the format").choices(["table", "json"]).default("table"))
    .addHelpText(
      "after",
      `${examples(["mintmark scan base:latest", "findings as a table"], ["mintmark scan team/app:1 --now", "read the image again first"], ["mintmark scan --list --state failed", "scans that need a look"], ["mintmark scan base:latest --severity critical,high", "only the worst"], ["mintmark scan base:latest --json", "the whole report, with reasons"])}
Finding something is not a failure of this command: \`mintmark gate\` judges.\n`,
    )
    .action(
      run((context, [image]: readonly [string | undefined], options: Options) =>
        withClient(context, async ({ client }) => {
          if (options.list === true) return await printScans(context, client, options.state);
          if (image === undefined)
            throw new Failure("usage", "Cannot scan: no image is named", { hint: "`mintmark scan --list` shows all" });
          const wanted = options.severity?.split(",").map((part) => part.trim()) ?? severities;
          const isJson = context.flags.json === true || options.output === "json";
          const minted = options.now === true ? undefined : await mintedReport(client, image);
          const reports =
            minted === undefined ? await pushedReports(context, client, { image, isNew: options.now === true }) : [];
          const all = minted === undefined ? reports : [{ scan: undefined, report: minted }];
          const shown = all.map(({ scan, report }) => ({ scan, report: report && only(report, wanted) }));
          if (isJson) {
            const answer = minted === undefined ? { images: shown } : shown[0]!.report;
            context.terminal.out(JSON.stringify(answer, null, 2));
          } else for (const one of shown) printImage(context, one);
        }),
      ),
    );
};

/** Images that were built here are compared with the signed security suites of now, too. */
async function mintedReport(client: Client, image: string): Promise<ScanReport | undefined> {
  try {
    return await client.scan(image);
  } catch (error) {
    if (error instanceof Failure && error.code === "not_found") return undefined;
    throw error;
  }
}

interface Wish {
  readonly image: string;
  readonly isNew: boolean;
}

/** Waits for scans that are on their way. */
async function pushedReports(
  { stopped, terminal }: CommandContext,
  client: Client,
  { image, isNew }: Wish,
): Promise<ImageReports["images"]> {
  if (isNew) await client.startScan(image);
  for (let isTold = false; ; isTold = true) {
    const { images } = await client.scanReports(image);
    const waiting = images.filter(({ scan }) => scan.state === "queued" || scan.state === "running");
    if (waiting.length === 0 || stopped.aborted) return images;
    if (!isTold)
      terminal.err(`Waiting for the scan of ${waiting.map(({ scan }) => scan.digest.slice(0, 19)).join(", ")}\n`);
    await sleep(300, stopped);
  }
}

function only(report: ScanReport, wanted: readonly string[]): ScanReport {
  return { ...report, findings: report.findings.filter(({ severity }) => wanted.includes(severity)) };
}

interface ShownImage {
  readonly scan: ImageReports["images"][number]["scan"] | undefined;
  readonly report: ScanReport | undefined;
}

function printImage(context: CommandContext, { scan, report }: ShownImage): void {
  const { terminal } = context;
  if (scan !== undefined) {
    const { distribution, packageCount = 0, durationMs } = scan;
    const about =
      report === undefined
        ? `${scan.state}: ${scan.reason ?? "no reason was told"}`
        : `${distribution?.id} ${distribution?.version}, ${packageCount} packages, read in ${showDuration(durationMs ?? 0)}`;
    const name = `${scan.platform === undefined ? "" : `${scan.platform} `}${scan.digest.slice(0, 19)}`;
    terminal.err(`${terminal.paint.bold(name)}  ${cut(about, 200)}\n`);
  }
  if (report !== undefined) printReport(context, report);
  if (scan !== undefined && scan.omitted.length > 0) terminal.err(`Not looked at: ${scan.omitted.join("; ")}\n`);
}

function printReport({ terminal }: CommandContext, report: ScanReport): void {
  const { paint } = terminal;
  const lines = findingLines(report.findings, paint);
  if (lines.length > 0) terminal.out(lines.join("\n"));
  const silent = report.feeds
    .filter(({ covers }) => covers)
    .map(({ feed, dataAt }) => `${feed}${dataAt === undefined ? " (empty)" : ` of ${dataAt}`}`);
  const count = report.findings.length;
  terminal.err(
    `${count} ${count === 1 ? "finding" : "findings"} in ${report.packageCount} packages; feeds: ${silent.join(", ") || "none"}\n`,
  );
  if (report.coverage === "no-data")
    terminal.err(`${paint.warn("No feed with data covers this image: no finding does not mean clean.")}\n`);
}

async function printScans(
  { terminal, flags }: CommandContext,
  client: Client,
  state: string | undefined,
): Promise<void> {
  const scans = [];
  for (let after = ""; ;) {
    const page = await client.scans({ after, limit: 1000, ...(state === undefined ? {} : { state }) });
    scans.push(...page.scans);
    if (page.next === undefined) break;
    after = page.next;
  }
  if (flags.json === true) return terminal.out(JSON.stringify({ scans }, null, 2));
  const rows = scans.map((scan) => [
    `${scan.repository}@${scan.digest.slice(0, 19)}`,
    scan.state,
    scan.queuedAt,
    scan.summary === undefined
      ? ""
      : severities
          .filter((severity) => scan.summary!.severities[severity] > 0)
          .map((severity) => `${scan.summary!.severities[severity]} ${severity}`)
          .join(", ") || "none known",
    cut(scan.reason ?? "", 60),
  ]);
  if (rows.length === 0) terminal.err("No images yet\n");
  else terminal.out(tableLines(["IMAGE", "SCAN", "QUEUED", "FINDINGS", "REASON"], rows, terminal.paint).join("\n"));
}
