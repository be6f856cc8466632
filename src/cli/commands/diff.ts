import type { ImageDifference } from "../../client/api-types.ts";
import { examples, type Define } from "../command.ts";
import { printable } from "../output/terminal.ts";
import { withClient } from "../session.ts";

/** `mintmark diff A B`: what differs between two images, in the configuration and down to the file. */
export const define: Define = (command, run) => {
  command
    .argument("<before>", "repository:tag or digest")
    .argument("<after>", "repository:tag or digest")
    .addHelpText(
      "after",
      examples(
        ["mintmark diff base:12-20260401 base:latest", "a line each difference; nothing where there is none"],
        ["mintmark diff base:12-20260401 base:latest --json", "for programs"],
      ),
    )
    .action(
      run((context, [before, after]: readonly [string, string]) =>
        withClient(context, async ({ client }) => {
          const answer = await client.difference(before, after);
          context.terminal.out(context.flags.json === true ? JSON.stringify(answer, null, 2) : differenceText(answer));
        }),
      ),
    );
};

const signs = { added: "+", removed: "-", changed: "~" } as const;

function differenceText({ config, files, sharedLayers }: ImageDifference): string {
  const lines = [
    ...config.map((line) => `configuration ${line}`),
    ...files.map(({ path, kind, what }) => `${signs[kind]} ${path}${what.length === 0 ? "" : `: ${what.join(", ")}`}`),
  ];
  const end = `${lines.length === 0 ? "no difference" : `${lines.length} differences`}, ${sharedLayers} layers shared`;
  return [...lines.map(printable), end].join("\n");
}
