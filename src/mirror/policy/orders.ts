import type { FormatName } from "../format.ts";
import { compareMavenVersions } from "../maven/version-order.ts";
import { compareVersions } from "../version-order.ts";
import { comparePythonVersions } from "./pep440.ts";
import type { VersionOrder } from "./version-range.ts";

/** How versions of a format are ordered; undefined where they have no order that is known here (apt's is another room's). */
export function orderOf(format: FormatName): VersionOrder | undefined {
  switch (format) {
    case "npm":
    case "cargo":
    case "nuget":
      return compareVersions;
    case "go":
      return (a, b) => compareVersions(a.replace(/^v/, ""), b.replace(/^v/, ""));
    case "pypi":
      return comparePythonVersions;
    case "maven":
      return compareMavenVersions;
    case "apt":
    case "raw":
      return undefined;
  }
}
