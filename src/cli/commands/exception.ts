import { nowIso } from "../../base/clock.ts";
import type { Command } from "commander";
import { examples, type Define, type RunAction } from "../command.ts";
import { endOf } from "../end-instant.ts";
import { cut, tableLines } from "../output/table.ts";
import { withClient } from "../session.ts";

interface NewOptions {
  readonly until: string;
  readonly reason: string;
  readonly package?: string;
  readonly repository?: string;
}

/** `mintmark exception list | create | end`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark exception list", "all, ended ones too"],
      ['mintmark exception create CVE-2026-1234 --until 30d --reason "not reachable"', "a dated permission"],
    ),
  );
  defineList(command, run);
  defineCreate(command, run);
  defineEnd(command, run);
};

function defineList(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list exceptions, ended ones too")
    .addHelpText("after", examples(["mintmark exception list --json", "as JSON"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const list = await client.exceptions();
          if (flags.json === true) return terminal.out(JSON.stringify(list, null, 2));
          const now = nowIso();
          const rows = list.exceptions.map((one) => [
            one.id,
            one.vulnerability,
            one.package ?? "any",
            one.repository ?? "any",
            one.expiresAt <= now ? `ended ${one.expiresAt}` : one.expiresAt,
            one.author,
            cut(one.reason, 50),
          ]);
          terminal.out(
            tableLines(
              ["ID", "VULNERABILITY", "PACKAGE", "REPOSITORY", "UNTIL", "AUTHOR", "REASON"],
              rows,
              terminal.paint,
            ).join("\n"),
          );
        }),
      ),
    );
}

function defineCreate(command: Command, run: RunAction): void {
  command
    .command("create")
    .summary("allow a finding until a date, with a reason")
    .argument("<vulnerability>", "the finding's id, such as CVE-2026-1234")
    .requiredOption("--until <when>", "a date such as 2026-12-31, or a span such as 30d")
    .requiredOption("--reason <text>", "why the finding may be ignored")
    .option("--package <name>", "only in this package")
    .option("--repository <name>", "only in this repository")
    .addHelpText(
      "after",
      examples([
        'mintmark exception create CVE-2026-1234 --package curl --until 14d --reason "fix is in test"',
        "only in curl",
      ]),
    )
    .action(
      run((context, [vulnerability]: readonly [string], options: NewOptions) =>
        withClient(context, async ({ client }) => {
          const { package: name, repository, reason } = options;
          const created = await client.createException({
            vulnerability,
            reason,
            expiresAt: endOf(options.until),
            ...(name === undefined ? {} : { package: name }),
            ...(repository === undefined ? {} : { repository }),
          });
          context.terminal.out(
            context.flags.json === true
              ? JSON.stringify(created, null, 2)
              : `${created.id}: ${created.vulnerability} is allowed until ${created.expiresAt}`,
          );
        }),
      ),
    );
}

function defineEnd(command: Command, run: RunAction): void {
  command
    .command("end")
    .summary("end an exception now")
    .argument("<id>", "as `mintmark exception list` shows it")
    .requiredOption("--reason <text>", "why it ends")
    .addHelpText(
      "after",
      examples(['mintmark exception end 0190… --reason "fixed"', "it no longer counts from now on"]),
    )
    .action(
      run((context, [id]: readonly [string], options: { readonly reason: string }) =>
        withClient(context, async ({ client }) => {
          const ended = await client.endException(id, options.reason);
          context.terminal.out(
            context.flags.json === true ? JSON.stringify(ended, null, 2) : `${ended.id}: ended ${ended.expiresAt}`,
          );
        }),
      ),
    );
}
