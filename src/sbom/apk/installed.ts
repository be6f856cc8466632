import type { Package } from "../../model/package.ts";

/**
 * The installed packages of an apk database (`lib/apk/db/installed`), in the order of the text.
 *
 * Paragraphs of one-letter fields: `P` name, `V` version, `A` architecture, `o` origin, `L` licence, `m` maintainer,
 * `U` address. The lines about files are passed over. Advisories are keyed by origin; all packages of one have its version.
 * Source: apk-tools, "APK v2 installed database".
 */
export function readInstalled(text: string): Package[] {
  const packages: Package[] = [];
  let fields = new Map<string, string>();
  for (const line of [...text.split("\n"), ""]) {
    if (line.trimEnd() === "") {
      const found = packageOf(fields);
      if (found !== undefined) packages.push(found);
      fields = new Map();
    } else if (line[1] === ":" && wanted.has(line[0]!)) fields.set(line[0]!, line.slice(2).trim());
  }
  return packages;
}

const wanted = new Set(["P", "V", "A", "o", "L", "m", "U"]);

function packageOf(fields: ReadonlyMap<string, string>): Package | undefined {
  const name = fields.get("P") ?? "";
  const version = fields.get("V") ?? "";
  if (name === "" || version === "") return undefined;
  const text = (field: string): string | undefined => fields.get(field) || undefined;
  const licence = text("L");
  const maintainer = text("m");
  const homepage = text("U");
  return {
    type: "apk",
    name,
    version,
    architecture: text("A") ?? "noarch",
    source: text("o") ?? name,
    sourceVersion: version,
    ...(licence === undefined ? {} : { licences: [licence] }),
    ...(maintainer === undefined ? {} : { maintainer }),
    ...(homepage === undefined ? {} : { homepage }),
  };
}
