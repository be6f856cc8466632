import type { Command } from "commander";
import { Failure } from "../../base/errors.ts";
import type { Client } from "../../client/client.ts";
import { type CommandContext, examples, type RunAction } from "../command.ts";
import { tableLines } from "../output/table.ts";
import { withClient } from "../session.ts";

interface Options {
  readonly add?: string;
  readonly except?: boolean;
  readonly repository?: string;
  readonly exceptRepository?: boolean;
  readonly remove?: string;
}

/** `mintmark tag immutable PROJECT`: shows the rules by which tags cannot move, adds one, or takes one away. */
export function defineImmutable(command: Command, run: RunAction): void {
  command
    .command("immutable")
    .summary("show, add or remove rules by which tags cannot move")
    .argument("<project>", "the first part of a repository's name")
    .option("--add <pattern>", "pin tags such as v*; * stops at slashes, {a,b} and [a-z] work too")
    .option("--except", "pin all tags but those")
    .option("--repository <pattern>", "only in such repositories")
    .option("--except-repository", "in all repositories but those")
    .option("--remove <id>", "take a rule away")
    .addHelpText(
      "after",
      examples(
        ["mintmark tag immutable team", "the rules"],
        ["mintmark tag immutable team --add latest --except", "everything but latest stays where it is"],
        ["mintmark tag immutable team --add 'v*' --repository 'app/**'", "releases of some repositories"],
      ),
    )
    .action(
      run((context, [project]: readonly [string], options: Options) =>
        withClient(context, async ({ client }) => await change(context, client, { project, options })),
      ),
    );
}

interface Wish {
  readonly project: string;
  readonly options: Options;
}

async function change({ terminal, flags }: CommandContext, client: Client, { project, options }: Wish): Promise<void> {
  const { add, remove, except, repository, exceptRepository } = options;
  if (add !== undefined && remove !== undefined)
    throw new Failure("usage", "Cannot change the rules: --add and --remove do not go together");
  if (add === undefined && (except === true || repository !== undefined || exceptRepository === true))
    throw new Failure("usage", "Cannot change the rules: --add says which tags");
  if (remove !== undefined) {
    const answer = await client.removeImmutableRule(project, remove);
    terminal.out(flags.json === true ? JSON.stringify(answer) : `${remove} is removed: its tags can move again`);
    return;
  }
  if (add !== undefined) {
    const rule = await client.addImmutableRule(project, {
      tagPattern: add,
      ...(except === true ? { excludesTags: true } : {}),
      ...(repository === undefined ? {} : { repositoryPattern: repository }),
      ...(exceptRepository === true ? { excludesRepositories: true } : {}),
    });
    terminal.out(flags.json === true ? JSON.stringify(rule) : `${rule.id}: its tags cannot move any more`);
    return;
  }
  const { immutability } = await client.lifetimeRules(project);
  if (flags.json === true) return terminal.out(JSON.stringify(immutability, null, 2));
  const rows = immutability.map((rule) => [
    rule.id,
    `${rule.excludesTags === true ? "all but " : ""}${rule.tagPattern}`,
    rule.repositoryPattern === undefined
      ? "all"
      : `${rule.excludesRepositories === true ? "all but " : ""}${rule.repositoryPattern}`,
    rule.author,
    rule.createdAt,
  ]);
  terminal.out(tableLines(["ID", "TAGS", "REPOSITORIES", "AUTHOR", "SINCE"], rows, terminal.paint).join("\n"));
}
