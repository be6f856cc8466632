/** A version of Semantic Versioning 2.0.0, taken apart. */
interface SemanticVersion {
  readonly numbers: readonly [number, number, number];
  /** Empty for a release. */
  readonly prerelease: readonly string[];
}

const form =
  /^[v=\s]*(\d{1,15})\.(\d{1,15})\.(\d{1,15})(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;

/** Takes a version apart; undefined where it is none. Source: Semantic Versioning 2.0.0, items 2, 9 and 10. */
export function parseVersion(text: string): SemanticVersion | undefined {
  const match = text.length > 256 ? null : form.exec(text);
  if (match === null) return undefined;
  return {
    numbers: [Number(match[1]), Number(match[2]), Number(match[3])],
    prerelease: match[4] === undefined ? [] : match[4].split("."),
  };
}
