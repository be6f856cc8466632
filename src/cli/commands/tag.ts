import type { Command } from "commander";
import { Failure } from "../../base/errors.ts";
import { parseDigest } from "../../model/digest.ts";
import { parseReference } from "../../model/reference.ts";
import { examples, type Define, type RunAction } from "../command.ts";
import { cut, tableLines } from "../output/table.ts";
import { withClient } from "../session.ts";
import { defineHolds } from "./tag-hold.ts";
import { defineImmutable } from "./tag-immutable.ts";

/** `mintmark tag list | history | undo | restore | hold | holds | release | immutable`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark tag list team/app", "tags with their use and what keeps them"],
      ['mintmark tag undo team/app:latest --reason "broken build"', "back to where it was"],
      ["mintmark tag immutable team --add 'v*'", "release tags cannot move any more"],
    ),
  );
  defineList(command, run);
  defineHistory(command, run);
  defineUndo(command, run);
  defineRestore(command, run);
  defineHolds(command, run);
  defineImmutable(command, run);
};

/** Tags that one answer of the server brings. */
const pageCount = 1000;

function defineList(command: Command, run: RunAction): void {
  command
    .command("list")
    .summary("list tags with their use and what keeps them")
    .argument("<repository>", "such as team/app")
    .addHelpText("after", examples(["mintmark tag list team/app --json", "as JSON, a tag a line"]))
    .action(
      run((context, [repository]: readonly [string]) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags, stopped } = context;
          const titles = ["TAG", "DIGEST", "PUSHED", "PULLED", "PULLS", "KEPT BY"];
          for (let after: string | undefined, isFirst = true; ; isFirst = false) {
            const { tags, next } = await client.tags(repository, {
              limit: pageCount,
              ...(after === undefined ? {} : { after }),
            });
            const rows = tags.map((tag) => [
              tag.name,
              tag.digest.slice(0, 19),
              tag.pushedAt,
              tag.pulledAt ?? "never",
              String(tag.pullCount),
              [
                ...(tag.pinnedBy === undefined ? [] : ["immutable"]),
                ...(tag.hold === undefined ? [] : [`held until ${tag.hold.until}: ${cut(tag.hold.reason, 40)}`]),
              ].join(", "),
            ]);
            if (flags.json === true) for (const tag of tags) terminal.out(JSON.stringify(tag));
            else
              terminal.out(
                tableLines(titles, rows, terminal.paint)
                  .slice(isFirst ? 0 : 1)
                  .join("\n"),
              );
            if (next === undefined || stopped.aborted) return;
            after = next;
          }
        }),
      ),
    );
}

function defineHistory(command: Command, run: RunAction): void {
  command
    .command("history")
    .summary("list where a tag was, the last move first")
    .argument("<tag>", "such as team/app:latest")
    .option("--limit <count>", "moves to show", "50")
    .addHelpText("after", examples(["mintmark tag history team/app:latest", "who moved it, when and why"]))
    .action(
      run((context, [text]: readonly [string], options: { readonly limit: string }) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const { repository, tag } = readTag(text);
          const limit = /^[1-9]\d{0,2}$/.test(options.limit) ? Number(options.limit) : 1000;
          const history = await client.tagHistory(repository, { tag, limit });
          if (flags.json === true) return terminal.out(JSON.stringify(history, null, 2));
          const rows = history.moves.map((move) => [
            move.at,
            move.from?.slice(0, 19) ?? "new",
            move.to?.slice(0, 19) ?? "removed",
            move.cause ?? "",
            move.actor,
            cut(move.reason ?? "", 60),
          ]);
          terminal.out(tableLines(["AT", "FROM", "TO", "BY", "WHO", "WHY"], rows, terminal.paint).join("\n"));
        }),
      ),
    );
}

function defineUndo(command: Command, run: RunAction): void {
  command
    .command("undo")
    .summary("set a tag to where it was before its last move")
    .argument("<tag>", "such as team/app:latest")
    .requiredOption("--reason <text>", "why, for its history")
    .addHelpText(
      "after",
      examples(['mintmark tag undo team/app:latest --reason "broken build"', "undo it again and it is where it began"]),
    )
    .action(
      run((context, [text]: readonly [string], { reason }: { readonly reason: string }) =>
        withClient(context, async ({ client }) => {
          const moved = await client.undoTagMove({ ...readTag(text), reason });
          context.terminal.out(context.flags.json === true ? JSON.stringify(moved) : movedLine(text, moved));
        }),
      ),
    );
}

interface RestoreOptions {
  readonly reason: string;
  readonly to?: string;
}

function defineRestore(command: Command, run: RunAction): void {
  command
    .command("restore")
    .summary("bring a removed tag back, or point a tag to an earlier image")
    .argument("<tag>", "such as team/app:v1")
    .requiredOption("--reason <text>", "why, for its history")
    .option("--to <digest>", "an image that the repository or the trash has; else what the tag stood for last")
    .addHelpText(
      "after",
      examples(['mintmark tag restore team/app:v1 --reason "still used"', "also when retention has dropped it"]),
    )
    .action(
      run((context, [text]: readonly [string], { reason, to }: RestoreOptions) =>
        withClient(context, async ({ client }) => {
          const digest = to === undefined ? undefined : parseDigest(to);
          if (to !== undefined && digest === undefined)
            throw new Failure("usage", `Cannot restore "${text}": "${to}" is not a digest`);
          const wish = { ...readTag(text), reason, ...(digest === undefined ? {} : { to: digest }) };
          const moved = await client.restoreTag(wish);
          context.terminal.out(context.flags.json === true ? JSON.stringify(moved) : movedLine(text, moved));
        }),
      ),
    );
}

interface Moved {
  readonly from?: string;
  readonly to?: string;
  readonly isFromTrash: boolean;
}

function movedLine(text: string, { from, to, isFromTrash }: Moved): string {
  if (to === undefined) return `${text} is removed; it was ${from}`;
  return `${text} is ${to}${from === undefined ? "" : `; it was ${from}`}${isFromTrash ? "; taken from the trash" : ""}`;
}

/** @throws Failure `usage` */
function readTag(text: string): { readonly repository: string; readonly tag: string } {
  const parsed = parseReference(text);
  if (parsed?.tag === undefined)
    throw new Failure("usage", `Cannot read the tag "${text}": it is not repository:tag`, {
      hint: "Write such as team/app:latest",
    });
  return { repository: parsed.repository, tag: parsed.tag };
}
