import { Option } from "commander";
import { examples, type Define } from "../command.ts";
import { withClient } from "../session.ts";

/** `mintmark sbom IMAGE`: the bill of materials, byte for byte as it is attached. */
export const define: Define = (command, run) => {
  command
    .argument("<image>", "repository:tag or digest")
    .addOption(new Option("-o, --output <format>", "the format").choices(["cyclonedx", "spdx"]).default("cyclonedx"))
    .addHelpText(
      "after",
      examples(
        ["mintmark sbom base:latest", "CycloneDX"],
        ["mintmark sbom base:latest -o spdx > base.spdx.json", "SPDX into a file"],
      ),
    )
    .action(
      run((context, [image]: readonly [string], options: { readonly output: "cyclonedx" | "spdx" }) =>
        withClient(context, async ({ client }) =>
          context.terminal.out((await client.sbom(image, options.output)).replace(/\n$/, "")),
        ),
      ),
    );
};
