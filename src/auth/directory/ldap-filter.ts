/** A text as the value of a search filter: nothing in it is a wildcard or ends the value. Source: RFC 4515 section 3. */
export function escapeFilterValue(text: string): string {
  return text.replaceAll(/[\0()*\\]/g, (character) => `\\${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** A filter with the values of its placeholders, such as `{user}`, escaped; values are not searched for placeholders. */
export function fillFilter(filter: string, values: Readonly<Record<string, string>>): string {
  return filter.replaceAll(/\{([a-z]+)\}/g, (placeholder, name: string) =>
    Object.hasOwn(values, name) ? escapeFilterValue(values[name]!) : placeholder,
  );
}

/**
 * The value of the first part of a distinguished name where that is of the wanted type: `dev` of `CN=dev,DC=example`.
 *
 * Source: RFC 4514 section 2.4. Types are compared without case.
 */
export function firstValueOf(name: string, type: string): string | undefined {
  const match = /^\s*([A-Za-z][\w-]*)\s*=\s*((?:\\[\s\S]|[^\\,+])*)/.exec(name);
  if (match === null || match[1]!.toLowerCase() !== type.toLowerCase()) return undefined;
  const bytes: Buffer[] = [];
  // A trailing blank counts only where it is escaped.
  for (const [, hex, escaped, plain] of match[2]!.matchAll(/\\([0-9A-Fa-f]{2})|\\([\s\S])|([^\\]+)/g))
    bytes.push(hex === undefined ? Buffer.from(escaped ?? plain ?? "") : Buffer.from(hex, "hex"));
  const value = Buffer.concat(bytes).toString("utf8");
  return match[2]!.endsWith("\\ ") ? value : value.trimEnd();
}
