import { RE2JS } from "re2js";

/**
 * Whether a text holds what a regular expression of Go describes.
 *
 * Go's flags differ from JavaScript's, so the expression is run by an RE2. One that cannot be read matches nothing
 * and excludes nothing: the test fails either way, as with container-structure-test.
 */
export function isMatch(expression: string, text: string, isWanted: boolean): boolean {
  try {
    return RE2JS.compile(expression).matcher(text).find() === isWanted;
  } catch {
    return false;
  }
}
