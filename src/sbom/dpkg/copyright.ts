import { parseDeb822 } from "./deb822.ts";

const formatForm = /copyright-format\/1\.\d/;

/** Debian's short names and what SPDX calls the same licence; both lists are fixed texts. */
const spdxNames: Readonly<Record<string, string>> = {
  "apache-2": "Apache-2.0",
  "apache-2.0": "Apache-2.0",
  "artistic-1": "Artistic-1.0",
  artistic: "Artistic-1.0-Perl",
  "bsd-2-clause": "BSD-2-Clause",
  "bsd-3-clause": "BSD-3-Clause",
  "bsd-4-clause": "BSD-4-Clause",
  "bsl-1.0": "BSL-1.0",
  "cc0-1.0": "CC0-1.0",
  expat: "MIT",
  "gfdl-1.2": "GFDL-1.2-only",
  "gfdl-1.3": "GFDL-1.3-only",
  "gfdl-1.3+": "GFDL-1.3-or-later",
  "gpl-1+": "GPL-1.0-or-later",
  "gpl-2": "GPL-2.0-only",
  "gpl-2+": "GPL-2.0-or-later",
  "gpl-3": "GPL-3.0-only",
  "gpl-3+": "GPL-3.0-or-later",
  isc: "ISC",
  "lgpl-2": "LGPL-2.0-only",
  "lgpl-2+": "LGPL-2.0-or-later",
  "lgpl-2.1": "LGPL-2.1-only",
  "lgpl-2.1+": "LGPL-2.1-or-later",
  "lgpl-3": "LGPL-3.0-only",
  "lgpl-3+": "LGPL-3.0-or-later",
  mit: "MIT",
  "mpl-2.0": "MPL-2.0",
  zlib: "Zlib",
};

/**
 * The licence names of a machine-readable copyright file, each once and sorted; none where the file is free text.
 *
 * Names that Debian and SPDX share a meaning for become SPDX identifiers, others stay as written; joined names
 * (`GPL-2+ or Expat`) count one by one, since a package holds files under each of them.
 * Source: Debian "Machine-readable debian/copyright file", version 1.0.
 */
export function licencesOfCopyright(text: string): string[] {
  const [header, ...paragraphs] = parseDeb822(text);
  if (header === undefined || !formatForm.test(header.get("format") ?? "")) return [];
  const names = new Set<string>();
  for (const paragraph of [header, ...paragraphs]) {
    const synopsis = (paragraph.get("license") ?? "").split("\n")[0]!;
    for (const part of synopsis.split(/\s+(?:or|and|and\/or)\s+|\s*[,|]\s*/i)) {
      const name = part.replace(/^(?:or|and)\s+/i, "").trim();
      if (/^[A-Za-z0-9][A-Za-z0-9.+~-]*(?: with .+)?$/.test(name)) names.add(spdxNameOf(name));
    }
  }
  return [...names].sort();
}

/** Whether a name is one of the SPDX identifiers that {@link licencesOfCopyright} gives. */
export function isSpdxLicence(name: string): boolean {
  return spdxIdentifiers.has(name);
}

const spdxIdentifiers: ReadonlySet<string> = new Set(Object.values(spdxNames));

function spdxNameOf(name: string): string {
  const lower = name.toLowerCase();
  const known = Object.hasOwn(spdxNames, lower) ? lower : lower.replace(/\.0(?=\+?$)/, "");
  return Object.hasOwn(spdxNames, known) ? spdxNames[known]! : name;
}
