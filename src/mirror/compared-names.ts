import { type Format } from "./format.ts";

/** The form in which names are compared to tell whether they are ours: nobody may get round it by writing one otherwise. */
export function comparedName(format: Pick<Format, "comparedName">, name: string): string {
  return format.comparedName?.(name) ?? name.toLowerCase();
}

/**
 * A pattern over names in that form.
 *
 * A class has what it had, and the form of each separator in it beside; the rest is text like a name.
 */
export function comparedPattern(format: Pick<Format, "comparedName">, pattern: string): string {
  return pattern.replaceAll(/\[(?:\\.|[^\]\\])*\]|[^[]+/g, (part) => {
    if (!part.startsWith("[")) return comparedName(format, part);
    const folded = comparedName(format, "_") === "-" && /[._]/.test(part);
    return folded ? `${part.slice(0, -1).toLowerCase()}-]` : part.toLowerCase();
  });
}
