import { type Command, Option } from "commander";
import { errorCodes } from "../../base/error-codes.ts";
import { Failure } from "../../base/errors.ts";
import type { MirrorCheck, MirrorRules, MirrorRulesChange } from "../../client/api-types.ts";
import type { Client } from "../../client/client.ts";
import { examples, type RunAction } from "../command.ts";
import { endOf } from "../end-instant.ts";
import { printAnswer, tableOf } from "../output/answer.ts";
import { pairLines } from "../output/table.ts";
import { withClient } from "../session.ts";

type Rules = MirrorRules["rules"];

/** `mintmark mirror policy show | set | block | unblock | forget | check | allow | exceptions | end | findings`. */
export function defineMirrorPolicy(command: Command, run: RunAction): void {
  const policy = command
    .command("policy")
    .summary("say which versions are kept back")
    .addHelpText(
      "after",
      examples(
        ["mintmark mirror policy set --mode enforce --minimum-age 3", "for all repositories"],
        ["mintmark mirror policy block 'evil-*' --reason typosquatting", "names"],
        ["mintmark mirror policy allow 'pkg:npm/left-pad@1.3.0' --until 14d --reason hotfix", "a dated exception"],
      ),
    );
  defineShow(policy, run);
  defineSet(policy, run);
  defineBlock(policy, run);
  defineUnblock(policy, run);
  defineCheck(policy, run);
  defineExceptions(policy, run);
  defineExceptionList(policy, run);
  defineFindings(policy, run);
}

const everywhere = "*";

function defineShow(policy: Command, run: RunAction): void {
  policy
    .command("show")
    .summary("show the rules for all repositories, or those that one follows")
    .argument("[repository]", "a repository")
    .addHelpText("after", examples(["mintmark mirror policy show npm", "what npm follows"]))
    .action(
      run((context, [repository]: readonly [string | undefined]) =>
        withClient(context, async ({ client }) => {
          const chosen = await client.mirrorPolicy();
          const rules = repository === undefined ? chosen.defaults : ((await client.mirror(repository)).rules as Rules);
          const own = chosen.chosen.map(({ scope, changedAt, changedBy }) => [scope, changedBy, changedAt]);
          printAnswer(context, { ...chosen, rules }, [
            ...pairLines(rulePairs(rules), context.terminal.paint),
            ...(own.length === 0 ? [] : ["", ...tableOf(context, ["CHOSEN FOR", "BY", "AT"], own)]),
          ]);
        }),
      ),
    );
}

function rulePairs(rules: Rules): [string, string][] {
  return [
    ["mode", rules.mode],
    ["minimum age", rules.minimumAgeDays === 0 ? "none" : `${rules.minimumAgeDays} days`],
    ["unknown age", rules.unknownAge],
    ["malicious versions", rules.malicious ? "kept back" : "given out"],
    ["worst vulnerability", rules.maximumSeverity === "none" ? "any" : rules.maximumSeverity],
    ["unknown severity", rules.unknownSeverity],
    ...(rules.ageExempt.length === 0 ? [] : [["may be young", rules.ageExempt.join(", ")] as [string, string]]),
    ...rules.blocked.map(({ name, versions, reason }): [string, string] => [
      "blocked",
      `${name} ${versions ?? "*"}: ${reason}`,
    ]),
  ];
}

interface SetOptions {
  readonly repository?: string;
  readonly mode?: "off" | "audit" | "enforce";
  readonly minimumAge?: string;
  readonly unknownAge?: "allow" | "withhold";
  readonly ageExempt?: string[];
  readonly malicious?: boolean;
  readonly maximumSeverity?: Rules["maximumSeverity"];
  readonly unknownSeverity?: "allow" | "withhold";
  readonly forget?: boolean;
}

function defineSet(policy: Command, run: RunAction): void {
  policy
    .command("set")
    .summary("choose rules for all repositories, or for one")
    .option("--repository <name>", "only for this one")
    .addOption(
      new Option("--mode <mode>", "audit counts what enforce would keep back").choices(["off", "audit", "enforce"]),
    )
    .option("--minimum-age <days>", "versions younger than this are kept back; 0 is no rule")
    .addOption(new Option("--unknown-age <what>", "versions whose age nobody says").choices(["allow", "withhold"]))
    .option("--age-exempt <pattern...>", "names whose versions may be young")
    .option("--malicious", "keep back what an advisory calls malicious")
    .option("--no-malicious", "give it out")
    .addOption(
      new Option("--maximum-severity <severity>", "the worst known vulnerability that a version may have").choices([
        "none",
        "critical",
        "high",
        "medium",
        "low",
        "negligible",
      ]),
    )
    .addOption(
      new Option("--unknown-severity <what>", "versions with a vulnerability that nobody rated").choices([
        "allow",
        "withhold",
      ]),
    )
    .option("--forget", "forget what was chosen for it, before anything else")
    .addHelpText("after", examples(["mintmark mirror policy set --repository npm --mode enforce", "for one"]))
    .action(
      run((context, _args: readonly [], options: SetOptions) =>
        withClient(context, async ({ client }) => {
          const scope = options.repository ?? everywhere;
          if (options.forget === true) await client.forgetMirrorRules(scope);
          const answer = await client.chooseMirrorRules(scope, changeOf(options));
          printAnswer(context, answer, pairLines(rulePairs(answer.rules), context.terminal.paint));
        }),
      ),
    );
}

function changeOf({
  mode,
  minimumAge,
  unknownAge,
  ageExempt,
  malicious,
  maximumSeverity,
  unknownSeverity,
}: SetOptions): MirrorRulesChange {
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(minimumAge === undefined ? {} : { minimumAgeDays: daysOf(minimumAge) }),
    ...(unknownAge === undefined ? {} : { unknownAge }),
    ...(ageExempt === undefined ? {} : { ageExempt }),
    ...(malicious === undefined ? {} : { malicious }),
    ...(maximumSeverity === undefined ? {} : { maximumSeverity }),
    ...(unknownSeverity === undefined ? {} : { unknownSeverity }),
  };
}

/** What is no number would be sent as none, and take the rule back. */
function daysOf(text: string): number {
  const days = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(days)) return days;
  throw new Failure("usage", `Cannot read the age "${text}": it is no number of days`);
}

/** What a scope blocks itself; what holds for all stands elsewhere. */
async function chosenBlocks(client: Client, scope: string): Promise<Rules["blocked"]> {
  const { chosen } = await client.mirrorPolicy();
  const rules = chosen.find((one) => one.scope === scope)?.rules as Partial<Rules> | undefined;
  return rules?.blocked ?? [];
}

function defineBlock(policy: Command, run: RunAction): void {
  policy
    .command("block")
    .summary("keep a name, or some versions of it, from everybody")
    .argument("<name>", "a pattern over names: left-pad, @evil/*, org.evil:*")
    .requiredOption("--reason <text>", "what clients are told")
    .option("--versions <range>", "such as '>=1.2 <1.4 || =2.0.0'; all where it is left out")
    .option("--repository <name>", "only in this one")
    .addHelpText(
      "after",
      examples(["mintmark mirror policy block colors --versions '>=1.4.1' --reason sabotaged", "a range"]),
    )
    .action(
      run(
        (
          context,
          [name]: readonly [string],
          options: { readonly reason: string; readonly versions?: string; readonly repository?: string },
        ) =>
          withClient(context, async ({ client }) => {
            const scope = options.repository ?? everywhere;
            const { reason, versions } = options;
            const others = (await chosenBlocks(client, scope)).filter(
              (one) => one.name !== name || one.versions !== versions,
            );
            const rule = { name, reason, ...(versions === undefined ? {} : { versions }) };
            const answer = await client.chooseMirrorRules(scope, { blocked: [...others, rule] });
            printAnswer(context, answer, [
              `blocked ${name} ${versions ?? "*"}`,
              ...(answer.rules.mode === "enforce"
                ? []
                : [
                    `the mode is ${answer.rules.mode}, so it is still given out: \`mintmark mirror policy set --mode enforce\``,
                  ]),
            ]);
          }),
      ),
    );
}

function defineUnblock(policy: Command, run: RunAction): void {
  policy
    .command("unblock")
    .summary("take the blocks of a name back")
    .argument("<name>", "the pattern as it was given")
    .option("--repository <name>", "only in this one")
    .addHelpText("after", examples(["mintmark mirror policy unblock colors", "all of its ranges"]))
    .action(
      run((context, [name]: readonly [string], options: { readonly repository?: string }) =>
        withClient(context, async ({ client }) => {
          const scope = options.repository ?? everywhere;
          const all = await chosenBlocks(client, scope);
          const others = all.filter((one) => one.name !== name);
          if (others.length === all.length)
            throw new Failure("not_found", `Cannot unblock "${name}": it is not blocked`);
          const answer = await client.chooseMirrorRules(scope, { blocked: others });
          printAnswer(context, answer, [`unblocked ${name}`]);
        }),
      ),
    );
}

function defineCheck(policy: Command, run: RunAction): void {
  policy
    .command("check")
    .summary("tell what the rules say of packages, as a dry run")
    .argument("<purl...>", "package URLs, such as pkg:npm/left-pad@1.3.0; without a version all are judged")
    .option("--repository <name>", "only in this one")
    .addHelpText(
      "after",
      examples(["mintmark mirror policy check pkg:pypi/requests", "exit code 4 where anything is kept back"]),
    )
    .action(
      run((context, [purls]: readonly [string[]], options: { readonly repository?: string }) =>
        withClient(context, async ({ client }) => {
          const wish = { purls, ...(options.repository === undefined ? {} : { repository: options.repository }) };
          const answer = await client.checkMirrorRules(wish);
          printAnswer(context, answer, checkLines(answer));
          const checks = answer.answers.flatMap((one) => one.checks);
          const isDenied = checks.some(({ mode, withheld }) => mode === "enforce" && withheld.length > 0);
          return isDenied ? errorCodes.forbidden.exit : 0;
        }),
      ),
    );
}

const shownMax = 20;

function checkLines({ answers }: MirrorCheck): string[] {
  return answers.flatMap(({ purl, checks }) =>
    checks.length === 0
      ? [`${purl}: no repository of the mirror has its format`]
      : checks.flatMap(({ repository, mode, withheld, excepted }) => [
          `${purl} in ${repository} (${mode}): ${withheld.length === 0 ? "given out" : mode === "enforce" ? "kept back" : "given out, but the rules are against it"}`,
          ...withheld.slice(0, shownMax).map(({ reason }) => `  ${reason}`),
          ...(withheld.length > shownMax ? [`  … and ${withheld.length - shownMax} more; --json shows all`] : []),
          ...excepted.slice(0, shownMax).map(({ reason, exception }) => `  let through by ${exception}: ${reason}`),
        ]),
  );
}

function defineExceptions(policy: Command, run: RunAction): void {
  policy
    .command("allow")
    .summary("let something through until a date, with a reason")
    .argument("<pattern>", "over package URLs: pkg:npm/left-pad@1.3.0, pkg:pypi/acme-*")
    .requiredOption("--until <end>", "30d, 12h, 2w, a date or an instant")
    .requiredOption("--reason <text>", "why")
    .option("--repository <name>", "only in this one")
    .addHelpText(
      "after",
      examples(["mintmark mirror policy allow 'pkg:npm/@acme/**' --until 30d --reason 'our own'", "a scope"]),
    )
    .action(
      run(
        (
          context,
          [pattern]: readonly [string],
          options: { readonly until: string; readonly reason: string; readonly repository?: string },
        ) =>
          withClient(context, async ({ client }) => {
            const { reason, repository } = options;
            const made = await client.createMirrorException({
              pattern,
              reason,
              expiresAt: endOf(options.until),
              ...(repository === undefined ? {} : { repository }),
            });
            printAnswer(context, made, [`${made.pattern} is let through until ${made.expiresAt} (${made.id})`]);
          }),
      ),
    );
}

function defineExceptionList(policy: Command, run: RunAction): void {
  policy
    .command("exceptions")
    .summary("list dated exceptions")
    .addHelpText("after", examples(["mintmark mirror policy exceptions --json", "ended ones too"]))
    .action(
      run((context) =>
        withClient(context, async ({ client }) => {
          const list = await client.mirrorExceptions();
          const rows = list.exceptions.map((one) => [
            one.id,
            one.pattern,
            one.repository ?? "all",
            one.expiresAt,
            one.author,
            one.reason,
          ]);
          printAnswer(context, list, tableOf(context, ["ID", "PATTERN", "WHERE", "UNTIL", "BY", "REASON"], rows));
        }),
      ),
    );
  policy
    .command("end")
    .summary("end an exception now")
    .argument("<id>", "of the exception")
    .addHelpText("after", examples(["mintmark mirror policy end 0190…", "as `exceptions` shows it"]))
    .action(
      run((context, [id]: readonly [string]) =>
        withClient(context, async ({ client }) =>
          printAnswer(context, await client.endMirrorException(id), [`ended ${id}`]),
        ),
      ),
    );
}

function defineFindings(policy: Command, run: RunAction): void {
  policy
    .command("findings")
    .summary("list what the rules were against when it was asked for")
    .option("--repository <name>", "only in this one")
    .addHelpText("after", examples(["mintmark mirror policy findings", "before you change audit to enforce"]))
    .action(
      run((context, _args: readonly [], options: { readonly repository?: string }) =>
        withClient(context, async ({ client }) => {
          const list = await client.mirrorFindings(
            options.repository === undefined ? {} : { repository: options.repository },
          );
          const rows = list.findings.map((one) => [
            one.lastAt,
            one.repository,
            `${one.name} ${one.version}`,
            one.mode === "enforce" ? "refused" : "given out",
            String(one.count),
            one.reason,
          ]);
          printAnswer(
            context,
            list,
            tableOf(context, ["LAST", "REPOSITORY", "WHAT", "STATE", "TIMES", "REASON"], rows),
          );
        }),
      ),
    );
}
