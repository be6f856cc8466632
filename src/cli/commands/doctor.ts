import { errorCodes } from "../../base/error-codes.ts";
import { examples, type CommandContext, type Define } from "../command.ts";
import type { Capability } from "../doctor/capability.ts";
import { checkDirectories } from "../doctor/directories.ts";
import { checkEmulation } from "../doctor/emulation.ts";
import { checkMachine } from "../doctor/machine.ts";
import { checkNamespaces } from "../doctor/namespaces.ts";
import { checkPrograms } from "../doctor/programs.ts";
import { tableLines } from "../output/table.ts";

/** `mintmark doctor`: what this machine can do, and how to mend what it cannot. */
export const define: Define = (command, run) => {
  command
    .addHelpText(
      "after",
      `${examples(["mintmark doctor", "a table with how to mend what is missing"], ["mintmark doctor --json", "the same for programs"])}\nExit code 6 where a build could not work here.\n`,
    )
    .action(
      run(async (context) => {
        const config = await context.loadConfig();
        const machine = [checkMachine(config.dataDir), checkPrograms(), checkNamespaces(), checkEmulation()];
        const looks = [...machine, checkDirectories(config)];
        const capabilities = (await Promise.all(looks)).flat();
        const canBuild = capabilities.every(({ state }) => state !== "missing");
        if (context.flags.json === true) context.terminal.out(JSON.stringify({ canBuild, capabilities }, null, 2));
        else print(context, capabilities, canBuild);
        return canBuild ? 0 : errorCodes.program_missing.exit;
      }),
    );
};

function print({ terminal }: CommandContext, capabilities: readonly Capability[], canBuild: boolean): void {
  const { paint } = terminal;
  const look = { ok: paint.good, missing: paint.bad, degraded: paint.warn, optional: paint.soft };
  terminal.out(
    tableLines(
      ["STATE", "CAPABILITY", "FOUND"],
      capabilities.map(({ name, state, about }) => [look[state](state), name, about]),
      paint,
    ).join("\n"),
  );
  const broken = capabilities.filter(({ fix }) => fix !== undefined);
  if (broken.length > 0) terminal.out(["", ...broken.map(({ name, fix }) => `${paint.bold(name)}: ${fix}`)].join("\n"));
  terminal.err(
    `\n${canBuild ? paint.good("This machine can mint images.") : paint.bad("This machine cannot mint images yet.")}\n`,
  );
}
