import { resolve } from "node:path";
import { examples, type Define } from "../command.ts";
import { tableLines } from "../output/table.ts";
import { printable } from "../output/terminal.ts";
import { withClient } from "../session.ts";

/** `mintmark advisories status | import`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark advisories status", "the feeds and how fresh they are"],
      ["mintmark advisories import ./osv-export", "read a folder of OSV records"],
    ),
  );
  command
    .command("status")
    .summary("show the feeds and how fresh they are")
    .addHelpText("after", examples(["mintmark advisories status --json", "as JSON"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const { feeds } = await client.feeds();
          if (flags.json === true) return terminal.out(JSON.stringify({ feeds }, null, 2));
          if (feeds.length === 0)
            return terminal.err(
              "No feed holds advisories yet: the first scan or `mintmark advisories import` fills one\n",
            );
          terminal.out(
            tableLines(
              ["FEED", "RECORDS", "NEWEST", "SOURCE"],
              feeds.map((feed) => [feed.feed, String(feed.recordCount), feed.dataAt ?? "no data", feed.source ?? ""]),
              terminal.paint,
            ).join("\n"),
          );
        }),
      ),
    );
  command
    .command("import")
    .summary("read advisories from a folder, an archive or an address")
    .argument("<source>", "a folder or a .zip of OSV records, or its address")
    .addHelpText(
      "after",
      examples(
        ["mintmark advisories import ./osv-export", "a folder"],
        ["mintmark advisories import ./all.zip", "an archive"],
      ),
    )
    .action(
      run((context, [source]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const { feeds } = await client.importAdvisories(/^https?:\/\//.test(source) ? source : resolve(source));
          if (flags.json === true) return terminal.out(JSON.stringify({ feeds }, null, 2));
          for (const { feed, recordCount, refused } of feeds) {
            terminal.out(`${feed}: ${recordCount} records`);
            for (const { name, reason } of refused)
              terminal.err(`${terminal.paint.warn("refused:")} ${printable(name)}: ${printable(reason)}\n`);
          }
        }),
      ),
    );
};
