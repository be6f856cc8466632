import type { DenialAnswer, Format } from "../format.ts";
import { classify } from "./classify.ts";
import { clients } from "./clients.ts";
import { facts } from "./facts.ts";
import { locate } from "./locate.ts";
import { crateKey, indexPath } from "./names.ts";
import { render } from "./render.ts";
import { write } from "./write.ts";

/**
 * Rust's crates by Cargo's sparse protocol.
 *
 * Index files are given out line by line as they came; archives are checked against the SHA-256 of their line.
 * Source: The Cargo Book, "Running a Registry".
 */
export const cargo: Format = {
  name: "cargo",
  classify,
  locate,
  // A registry takes no second crate whose name differs from another's in these alone.
  comparedName: (name) => crateKey(name).replaceAll("_", "-"),
  documentOf: (subject) => indexPath(subject.name),
  facts,
  render,
  probe: "config.json",
  deny,
  write,
  clients,
  purl: ({ name, version }) => `pkg:cargo/${name}@${encodeURIComponent(version)}`,
};

/** Cargo shows the `detail` of what its web interface answers, and the whole body of what the index does. */
function deny({ status, message }: { readonly status: number; readonly message: string }): DenialAnswer {
  return { status, mediaType: "application/json", body: JSON.stringify({ errors: [{ detail: message }] }) };
}
