import { configKeys, type ConfigKey } from "../../config/config-keys.ts";
import { explainConfig } from "../../config/explain.ts";
import { nearestName } from "../../config/nearest-name.ts";
import { Failure } from "../../base/errors.ts";
import { examples, type Define } from "../command.ts";
import { tableLines } from "../output/table.ts";

/** `mintmark config explain | keys`. */
export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    examples(
      ["mintmark config explain", "each value and where it comes from"],
      ["mintmark config keys", "every key, its default and its environment variable"],
    ),
  );
  command
    .command("explain")
    .summary("show each value and where it comes from; secrets are hidden")
    .argument("[key]", "only this key")
    .addHelpText(
      "after",
      examples(["mintmark config explain listen", "one key"], ["mintmark config explain --json", "all as JSON"]),
    )
    .action(
      run(async ({ terminal, flags, configInput }, [name]: readonly [string | undefined]) => {
        const explained = await explainConfig(configInput);
        const keys = explained.keys.filter((key) => name === undefined || key.name === name);
        if (keys.length === 0) throw unknownKey(name!);
        if (flags.json === true) return terminal.out(JSON.stringify({ ...explained, keys }, null, 2));
        terminal.out(
          tableLines(
            ["KEY", "VALUE", "FROM"],
            keys.map((key) => [key.name, show(key.value), key.source]),
            terminal.paint,
          ).join("\n"),
        );
        if (explained.unknownEnvironment.length > 0)
          terminal.err(`${terminal.paint.warn("not known:")} ${explained.unknownEnvironment.join(", ")}\n`);
      }),
    );
  command
    .command("keys")
    .summary("list every key")
    .addHelpText(
      "after",
      examples(["mintmark config keys", "for people"], ["mintmark config keys --json", "for programs"]),
    )
    .action(
      run(async ({ terminal, flags }) => {
        const keys = (configKeys as readonly ConfigKey[]).map(({ name, type, default: value, about, environment }) => ({
          name,
          type,
          default: value ?? null,
          about,
          environment,
        }));
        if (flags.json === true) return terminal.out(JSON.stringify(keys, null, 2));
        terminal.out(
          tableLines(
            ["KEY", "TYPE", "DEFAULT", "ENVIRONMENT", "ABOUT"],
            keys.map((key) => [key.name, key.type, show(key.default), key.environment, key.about]),
            terminal.paint,
          ).join("\n"),
        );
      }),
    );
};

function unknownKey(name: string): Failure {
  const near = nearestName(
    name,
    configKeys.map((key) => key.name),
  );
  return new Failure("usage", `Cannot explain "${name}": it is not a configuration key`, {
    hint: near === undefined ? "`mintmark config keys` lists all" : `Did you mean "${near}"?`,
  });
}

function show(value: unknown): string {
  if (value === null) return "-";
  return typeof value === "string" ? value : JSON.stringify(value);
}
