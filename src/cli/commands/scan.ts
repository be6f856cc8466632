import { severities, type Severity } from "../../model/finding.ts";
import type { ScanReport } from "../../client/api-types.ts";
import { Option } from "commander";
import { examples, type CommandContext, type Define } from "../command.ts";
import { cut, tableLines } from "../output/table.ts";
import { withClient } from "../session.ts";

interface Options {
  readonly severity?: string;
  readonly output: "table" | "json";
}

/** `mintmark scan IMAGE`: what is known against an image now. */
export const define: Define = (command, run) => {
  command
    .argument("<image>", "repository:tag or digest")
    .option("--severity <list>", `only these: ${severities.join(", ")}`)
    .addOption(new Option("-o, --output <format>", "the format").choices(["table", "json"]).default("table"))
    .addHelpText(
      "after",
      `${examples(["mintmark scan base:latest", "findings as a table"], ["mintmark scan base:latest --severity critical,high", "only the worst"], ["mintmark scan base:latest --json", "the whole report, with reasons"])}
Finding something is not a failure of this command: \`mintmark gate\` judges.\n`,
    )
    .action(
      run((context, [image]: readonly [string], options: Options) =>
        withClient(context, async ({ client }) => {
          const report = await client.scan(image);
          const wanted = options.severity?.split(",").map((part) => part.trim()) ?? severities;
          const shown = {
            ...report,
            findings: report.findings.filter(({ severity }) => (wanted as readonly string[]).includes(severity)),
          };
          if (context.flags.json === true || options.output === "json")
            context.terminal.out(JSON.stringify(shown, null, 2));
          else printReport(context, shown);
        }),
      ),
    );
};

function printReport({ terminal }: CommandContext, report: ScanReport): void {
  const { paint } = terminal;
  const look: Partial<Record<Severity, (text: string) => string>> = { critical: paint.bad, high: paint.warn };
  const sorted = report.findings.toSorted((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity));
  const rows = sorted.map((finding) => [
    finding.id,
    (look[finding.severity] ?? String)(finding.severity),
    cut(finding.package.name, 40),
    cut(finding.package.version, 32),
    cut(finding.fixedVersion ?? "none yet", 32),
    cut(finding.title, 60),
  ]);
  if (rows.length > 0)
    terminal.out(tableLines(["ID", "SEVERITY", "PACKAGE", "INSTALLED", "FIXED IN", "TITLE"], rows, paint).join("\n"));
  const silent = report.feeds
    .filter(({ covers }) => covers)
    .map(({ feed, dataAt }) => `${feed}${dataAt === undefined ? " (empty)" : ` of ${dataAt}`}`);
  terminal.err(
    `${rows.length} ${rows.length === 1 ? "finding" : "findings"} in ${report.packageCount} packages; feeds: ${silent.join(", ") || "none"}\n`,
  );
  if (report.coverage === "no-data")
    terminal.err(`${paint.warn("No feed with data covers this image: no finding does not mean clean.")}\n`);
}
