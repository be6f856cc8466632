import { PackageURL } from "packageurl-js";
import type { FormatName } from "../format.ts";

/** A package that a package URL names, in the words of its format. */
interface NamedPackage {
  readonly format: FormatName;
  readonly name: string;
  readonly version: string | undefined;
}

const types: Readonly<Record<string, FormatName>> = {
  npm: "npm",
  pypi: "pypi",
  maven: "maven",
  golang: "go",
  cargo: "cargo",
  nuget: "nuget",
  deb: "apt",
  generic: "raw",
};

/** The types of package URLs that the mirror speaks. */
export const purlTypes: readonly string[] = Object.keys(types);

/** Reads a package URL; undefined where it is none of a format that the mirror speaks. Source: the package-url specification. */
export function readPurl(text: string): NamedPackage | undefined {
  try {
    const { type, namespace, name, version } = PackageURL.fromString(text);
    const format = type === undefined ? undefined : types[type];
    if (format === undefined || name === undefined) return undefined;
    const space = namespace ?? undefined;
    const joint = format === "maven" ? ":" : "/";
    // The namespace of a Debian package is its distribution.
    const whole = space === undefined || format === "apt" ? name : `${space}${joint}${name}`;
    // Addresses of these have their names in lower case.
    if (format === "nuget" || format === "cargo")
      return { format, name: whole.toLowerCase(), version: version ?? undefined };
    return { format, name: whole, version: version ?? undefined };
  } catch {
    return undefined;
  }
}
