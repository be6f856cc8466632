import { readGlob } from "../../model/glob.ts";
import { type RepositorySettings } from "../format.ts";

/** What a raw repository may fetch. */
export type Rules = NonNullable<RepositorySettings["allowed"]>;

/** Most rules that a refusal names. */
const namedRules = 20;

/** Whether a path can be kept and asked for as it stands: no part of it means anything but a name. */
export function isPlainPath(path: string): boolean {
  const parts = path.split("/");
  if (path.length > 2000 || path.includes("\\") || /%(?:2f|5c|00)|%(?![\da-f]{2})/i.test(path)) return false;
  return parts.every((part) => part !== "" && !/^(?:\.|%2e){1,2}$/i.test(part));
}

/** The parts of `<host>/<path>`; the host in lower case. */
export function splitAddress(path: string): { readonly host: string; readonly rest: string } {
  const slash = path.indexOf("/");
  if (slash === -1) return { host: path.toLowerCase(), rest: "" };
  return { host: path.slice(0, slash).toLowerCase(), rest: path.slice(slash + 1) };
}

/** The first rule that allows an address; its pattern may begin with the slash of the path or leave it out. */
export function ruleFor(rules: Rules, host: string, path: string): Rules[number] | undefined {
  return rules.find((rule) => {
    if (rule.host !== host) return false;
    const glob = readGlob(rule.path.replace(/^\//, ""));
    return !("invalid" in glob) && glob.matches(path);
  });
}

/** What is told where no rule allows an address. */
export function ruleRefusal(rules: Rules, host: string, path: string): string {
  const named = rules.slice(0, namedRules).map((rule) => `${rule.host}/${rule.path.replace(/^\//, "")}`);
  const more = rules.length > namedRules ? ` and ${rules.length - namedRules} more` : "";
  const list = named.length === 0 ? "there are none" : `they allow ${named.join(", ")}${more}`;
  return `No rule of this raw repository allows "${host}/${path}": ${list}`;
}
