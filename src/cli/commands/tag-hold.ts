import type { Command } from "commander";
import { Failure } from "../../base/errors.ts";
import { nowIso } from "../../base/clock.ts";
import { parseReference } from "../../model/reference.ts";
import { examples, type RunAction } from "../command.ts";
import { endOf } from "../end-instant.ts";
import { cut, tableLines } from "../output/table.ts";
import { withClient } from "../session.ts";

/** `mintmark tag hold | holds | release`: images that cannot be deleted until an instant. */
export function defineHolds(command: Command, run: RunAction): void {
  defineHold(command, run);
  defineList(command, run);
  defineRelease(command, run);
}

interface HoldOptions {
  readonly until?: string;
  readonly days?: string;
  readonly reason: string;
}

function defineHold(command: Command, run: RunAction): void {
  command
    .command("hold")
    .summary("keep an image from being deleted, by anybody, until a date")
    .argument("<image>", "team/app:tag or team/app@digest; with --days a project and a tag pattern, such as team:v*")
    .requiredOption("--reason <text>", "why")
    .option("--until <when>", "a date such as 2026-12-31, or a span such as 90d")
    .option("--days <count>", "hold whatever has such a tag, for so many days after each push")
    .addHelpText(
      "after",
      examples(
        ['mintmark tag hold team/app:v1 --until 52w --reason "audit 2026"', "this image"],
        ["mintmark tag hold 'team:v*' --days 365 --reason \"support contract\"", "every release, from its push on"],
      ),
    )
    .action(
      run((context, [text]: readonly [string], { until, days, reason }: HoldOptions) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          if ((until === undefined) === (days === undefined))
            throw new Failure("usage", "Cannot hold: give either --until or --days");
          if (until !== undefined) {
            const hold = await client.createHold({ ...readImage(text), until: endOf(until), reason });
            terminal.out(
              flags.json === true
                ? JSON.stringify(hold, null, 2)
                : `${hold.id}: ${hold.digest} is held until ${hold.until}`,
            );
            return;
          }
          const { project, tagPattern } = readPattern(text);
          const rule = await client.addHoldRule(project, { tagPattern, days: countOf(days), reason });
          terminal.out(flags.json === true ? JSON.stringify(rule) : `${rule.id}: ${text} is held for ${days} days`);
        }),
      ),
    );
}

function defineList(command: Command, run: RunAction): void {
  command
    .command("holds")
    .summary("list the holds and hold rules of a project, ended ones too")
    .argument("<project>", "the first part of a repository's name")
    .addHelpText("after", examples(["mintmark tag holds team --json", "as JSON"]))
    .action(
      run((context, [project]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const rules = (await client.lifetimeRules(project)).holds;
          const { holds } = await client.holds(project, { limit: 1000 });
          if (flags.json === true) return terminal.out(JSON.stringify({ rules, holds }, null, 2));
          const now = nowIso();
          const rows = [
            ...rules.map((rule) => [
              rule.id,
              `${rule.repositoryPattern ?? "**"}:${rule.tagPattern}`,
              `${rule.days} days from the push`,
              rule.author,
              cut(rule.reason, 50),
            ]),
            ...holds.map((hold) => [
              hold.id,
              `${hold.repository}@${hold.digest.slice(0, 19)}`,
              hold.release === undefined
                ? `${hold.until}${hold.until <= now ? " (ended)" : ""}`
                : `released ${hold.release.at}`,
              hold.author,
              cut(hold.reason, 50),
            ]),
          ];
          terminal.out(tableLines(["ID", "WHAT", "UNTIL", "AUTHOR", "REASON"], rows, terminal.paint).join("\n"));
        }),
      ),
    );
}

function defineRelease(command: Command, run: RunAction): void {
  command
    .command("release")
    .summary("end a hold, or a hold rule, before its time")
    .argument("<id>", "as `mintmark tag holds` shows it")
    .requiredOption("--reason <text>", "why it ends")
    .option("--rule-of <project>", "the id is that of a rule of this project")
    .addHelpText("after", examples(['mintmark tag release 0190… --reason "audit is over"', "it can be deleted again"]))
    .action(
      run(
        (context, [id]: readonly [string], { reason, ruleOf }: { readonly reason: string; readonly ruleOf?: string }) =>
          withClient(context, async ({ client }) => {
            const answer =
              ruleOf === undefined
                ? await client.releaseHold(id, reason)
                : await client.removeHoldRule(ruleOf, id, reason);
            context.terminal.out(
              context.flags.json === true
                ? JSON.stringify(answer)
                : answer.removed
                  ? `${id} is released`
                  : `${id} had ended already`,
            );
          }),
      ),
    );
}

function readImage(text: string): { readonly repository: string; readonly reference: string } {
  const parsed = parseReference(text);
  const reference = parsed?.digest ?? parsed?.tag;
  if (parsed === undefined || reference === undefined)
    throw new Failure("usage", `Cannot hold "${text}": it is neither repository:tag nor repository@digest`);
  return { repository: parsed.repository, reference };
}

function readPattern(text: string): { readonly project: string; readonly tagPattern: string } {
  const colon = text.indexOf(":");
  if (colon < 1 || text.slice(0, colon).includes("/"))
    throw new Failure("usage", `Cannot hold "${text}" by days: it is not project:pattern`, {
      hint: "Write such as 'team:v*'",
    });
  return { project: text.slice(0, colon), tagPattern: text.slice(colon + 1) };
}

function countOf(text: string | undefined): number {
  if (!/^[1-9]\d{0,4}$/.test(text ?? ""))
    throw new Failure("usage", `Cannot hold for "${text}" days: it is not a number`);
  return Number(text);
}
