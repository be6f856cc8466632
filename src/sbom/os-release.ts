import type { Distribution } from "../model/package.ts";

/**
 * The distribution that an os-release file names; undefined where it names none.
 *
 * Values may be quoted as in a shell; nothing is expanded. Source: os-release(5).
 */
export function readOsRelease(text: string): Distribution | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^\s*([A-Z_0-9]+)=(.*)$/.exec(line);
    if (match !== null) fields.set(match[1]!, unquoted(match[2]!.trim()));
  }
  const id = (fields.get("ID") ?? "").toLowerCase();
  if (!/^[a-z0-9._-]{1,64}$/.test(id)) return undefined;
  return {
    id,
    version: word(fields.get("VERSION_ID")),
    codename: word(fields.get("VERSION_CODENAME")),
  };
}

function unquoted(text: string): string {
  const quoted = /^"((?:[^"\\]|\\.)*)"|^'([^']*)'/.exec(text);
  if (quoted === null) return text;
  return quoted[2] ?? quoted[1]!.replace(/\\(["$`\\])/g, "$1");
}

function word(text = ""): string {
  return /^[A-Za-z0-9._~+-]{1,64}$/.test(text) ? text : "";
}
