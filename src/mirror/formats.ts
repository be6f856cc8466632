import { apt } from "./apt/apt.ts";
import { cargo } from "./cargo/cargo.ts";
import { type Format, type FormatName } from "./format.ts";
import { go } from "./go/go.ts";
import { maven } from "./maven/maven.ts";
import { npm } from "./npm/npm.ts";
import { pypi } from "./pypi/pypi.ts";
import { nuget } from "./nuget/nuget.ts";
import { raw } from "./raw/raw.ts";

/** Every format, by name. */
export const formats: ReadonlyMap<FormatName, Format> = byName([
  // One line a format, in the order of `formatNames`.
  apt,
  npm,
  pypi,
  maven,
  go,
  cargo,
  nuget,
  raw,
]);

/** Formats by their names. */
export function byName(list: readonly Format[]): ReadonlyMap<FormatName, Format> {
  return new Map(list.map((format) => [format.name, format]));
}
