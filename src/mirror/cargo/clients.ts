import type { ClientSetup } from "../format.ts";

/**
 * Points Cargo at a repository by source replacement, which leaves `Cargo.lock` as it is.
 *
 * Only a file can say it, no variable. In a build it lies at the root of the file system: Cargo looks for
 * `.cargo/config.toml` in every folder above the one it works in, so it counts wherever `CARGO_HOME` is.
 */
export function clients(options: { readonly base: string; readonly isSealed: boolean }): readonly ClientSetup[] {
  const index = JSON.stringify(`sparse+${options.base}/`);
  const content = `[source.crates-io]
replace-with = "mintmark"

[source.mintmark]
registry = ${index}
${
  options.isSealed
    ? ""
    : `
# To publish: cargo publish --registry mintmark
[registries.mintmark]
index = ${index}
`
}`;
  const path = options.isSealed ? "/.cargo/config.toml" : "~/.cargo/config.toml";
  return [{ client: "cargo", files: [{ path, content }], environment: {} }];
}
