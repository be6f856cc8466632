import type { Package } from "../../model/package.ts";
import { parseDeb822, type Paragraph } from "./deb822.ts";

const sourceForm = /^(\S+)(?:[ \t]+\(([^)]+)\))?$/;

/**
 * The installed packages of a dpkg database, in the order of the text.
 *
 * A paragraph counts if dpkg has its files in place: state `installed`, `unpacked`, `half-configured` or with triggers
 * open; not `config-files`, `not-installed` or `half-installed`. Files of `status.d` (distroless) carry no state and count.
 * Source: dpkg(1) "Package states".
 */
export function readStatus(text: string): Package[] {
  return parseDeb822(text).flatMap((paragraph) => packageOf(paragraph) ?? []);
}

const presentStates = new Set(["installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending"]);

function packageOf(paragraph: Paragraph): Package | undefined {
  const name = paragraph.get("package");
  const version = paragraph.get("version");
  if (name === undefined || name === "" || version === undefined || version === "") return undefined;
  const status = paragraph.get("status");
  if (status !== undefined && !presentStates.has(status.trim().split(/\s+/)[2] ?? "")) return undefined;
  const source = sourceForm.exec(paragraph.get("source") ?? "");
  const maintainer = paragraph.get("maintainer");
  const homepage = paragraph.get("homepage");
  return {
    type: "deb",
    name,
    version,
    architecture: paragraph.get("architecture") ?? "all",
    source: source?.[1] ?? name,
    sourceVersion: source?.[2] ?? version,
    ...(maintainer === undefined || maintainer === "" ? {} : { maintainer }),
    ...(homepage === undefined || homepage === "" ? {} : { homepage }),
  };
}
