import type { Command } from "commander";
import { isoSeconds, nowMs } from "../../base/clock.ts";
import { errorCodes } from "../../base/error-codes.ts";
import { Failure } from "../../base/errors.ts";
import type { AuditEvent } from "../../client/api-types.ts";
import type { AuditSearch, Client } from "../../client/client.ts";
import { type CommandContext, examples, type Define, type RunAction } from "../command.ts";
import { cut, pairLines, tableLines } from "../output/table.ts";
import { withClient } from "../session.ts";

interface SearchOptions extends AuditSearch {
  readonly limit?: string;
  readonly beyond?: string;
  readonly oldest?: boolean;
}

/** `mintmark audit list | search | export | verify`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark audit list --since 24h", "what happened in the last day, newest first"],
      ["mintmark audit search team/app --action 'image.*'", "everything about an image"],
      ["mintmark audit verify", "whether nothing was changed afterwards"],
    ),
  );
  defineList(command, run);
  defineSearch(command, run);
  defineExport(command, run);
  defineVerify(command, run);
};

function defineList(command: Command, run: RunAction): void {
  paged(searchable(command.command("list")))
    .summary("list events, newest first")
    .option("--text <text>", "only events with this in subject, actor, address or details")
    .addHelpText("after", examples(["mintmark audit list --actor ci --json", "what one account did, as JSON"]))
    .action(
      run((context, _args, options: SearchOptions) =>
        withClient(context, async ({ client }) => showPage(context, await find(context, client, options))),
      ),
    );
}

function defineSearch(command: Command, run: RunAction): void {
  paged(searchable(command.command("search")))
    .summary("list events that have a text, newest first")
    .argument("<text>", "what to look for in subject, actor, address and details")
    .addHelpText("after", examples(["mintmark audit search CVE-2026-0001 --since 30d", "within the last 30 days"]))
    .action(
      run((context, [text]: readonly [string], options: SearchOptions) =>
        withClient(context, async ({ client }) => showPage(context, await find(context, client, { ...options, text }))),
      ),
    );
}

interface Page {
  readonly events: readonly AuditEvent[];
  readonly next?: number;
}

/** Most events that the server gives at once. */
const pageCount = 1000;

/** One answer of the server looks through a bounded part of the log only, so it may take several. */
async function find({ stopped }: CommandContext, client: Client, options: SearchOptions): Promise<Page> {
  const { limit = "50", beyond, oldest, ...search } = options;
  const wanted = countOf("--limit", limit);
  const events: AuditEvent[] = [];
  let next = beyond === undefined ? undefined : countOf("--beyond", beyond);
  do {
    const part = await client.audit({
      ...searchOf(search),
      order: oldest === true ? "oldest" : "newest",
      limit: Math.min(wanted - events.length, pageCount),
      ...(next === undefined ? {} : { beyond: next }),
    });
    events.push(...part.events);
    next = part.next;
  } while (next !== undefined && events.length < wanted && !stopped.aborted);
  return { events, ...(next === undefined ? {} : { next }) };
}

function defineExport(command: Command, run: RunAction): void {
  searchable(command.command("export"))
    .summary("print events as CSV, oldest first")
    .option("--csv", "CSV as RFC 4180 has it; the only form there is")
    .option("--text <text>", "only events with this in subject, actor, address or details")
    .addHelpText("after", examples(["mintmark audit export --csv --since 2026-01-01 > audit.csv", "for a spreadsheet"]))
    .action(
      run((context, _args, { actor, action, project, since, until, text }: AuditSearch) =>
        withClient(context, async ({ client }) => {
          const decoder = new TextDecoder();
          let rest = "";
          for await (const chunk of await client.exportAudit(
            searchOf({ actor, action, project, since, until, text }),
          )) {
            const text = rest + decoder.decode(chunk, { stream: true });
            const end = text.lastIndexOf("\n");
            if (end > 0) context.terminal.out(text.slice(0, end));
            rest = text.slice(end + 1);
          }
          if (rest !== "") context.terminal.out(rest);
        }),
      ),
    );
}

function defineVerify(command: Command, run: RunAction): void {
  command
    .command("verify")
    .summary("walk the hash chain of the audit log and name the first event that is wrong")
    .option("--kept <sequence:hash>", "the head of an earlier verification, kept where the server cannot change it")
    .addHelpText(
      "after",
      examples(
        ["mintmark audit verify", "prints the head: keep it elsewhere"],
        ["mintmark audit verify --kept 4711:5f2c…", "also notices a log that was written anew"],
      ),
    )
    .action(
      run((context, _args, { kept }: { readonly kept?: string }) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const report = await client.verifyAudit(kept);
          if (flags.json === true) terminal.out(JSON.stringify(report, null, 2));
          else {
            const { anchor, head, fault, checkedCount, sealCount } = report;
            const pairs: (readonly [string, string])[] = [
              ["chain", report.isIntact ? terminal.paint.good("intact") : terminal.paint.bad("broken")],
              ["checked", `${checkedCount} events, ${sealCount} signed heads`],
              [
                "from",
                anchor.sequence === 0 ? "the first event" : `event ${anchor.sequence + 1}: older ones were purged`,
              ],
              ["head", `${head.sequence}:${head.hash}`],
              ...(fault === undefined
                ? []
                : [["fault", `${fault.kind} at ${fault.sequence}: ${fault.about}`] as const]),
            ];
            terminal.out(pairLines(pairs, terminal.paint).join("\n"));
          }
          return report.isIntact ? 0 : errorCodes.verification_failed.exit;
        }),
      ),
    );
}

function searchable(command: Command): Command {
  return command
    .option("--actor <name>", "only what this account did")
    .option("--action <action>", "only an action such as image.pushed, or a kind such as 'image.*'")
    .option("--project <project>", "only events of a project")
    .option("--since <when>", "from an instant on: a date, or a span back such as 24h, 30d")
    .option("--until <when>", "before an instant");
}

function paged(command: Command): Command {
  return command
    .option("--limit <count>", "at most as many", "50")
    .option("--beyond <sequence>", "go on beyond this sequence number")
    .option("--oldest", "oldest first");
}

function searchOf(options: AuditSearch): AuditSearch {
  const { since, until, ...rest } = options;
  return {
    ...rest,
    ...(since === undefined ? {} : { since: instantOf(since) }),
    ...(until === undefined ? {} : { until: instantOf(until) }),
  };
}

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

function instantOf(text: string): string {
  const span = /^(\d{1,5})([mhdw])$/.exec(text);
  if (span !== null) return isoSeconds(nowMs() - Number(span[1]) * unitMs[span[2]!]!);
  const ms = /^\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:\d{2}))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms))
    throw new Failure("usage", `Cannot read the instant "${text}": it is neither a span back nor a date`, {
      hint: "Write such as 24h, 30d, 2026-12-31, 2026-12-31T12:00:00Z",
    });
  return new Date(ms).toISOString();
}

function countOf(option: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Failure("usage", `Cannot use ${option} "${text}": it is not a number`);
}

function showPage({ terminal, flags }: CommandContext, page: Page): void {
  if (flags.json === true) return terminal.out(JSON.stringify(page, null, 2));
  const rows = page.events.map(({ sequence, at, actor, address = "", action, subject }) => [
    String(sequence),
    at.slice(0, 19).replace("T", " "),
    cut(actor, 30),
    address,
    action,
    cut(subject, 90),
  ]);
  terminal.out(
    tableLines(["SEQUENCE", "TIME (UTC)", "ACTOR", "ADDRESS", "ACTION", "SUBJECT"], rows, terminal.paint).join("\n"),
  );
  if (page.next !== undefined) terminal.err(`more with --beyond ${page.next}\n`);
}
