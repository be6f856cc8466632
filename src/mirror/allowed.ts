import { Failure } from "../base/errors.ts";
import { readGlob } from "../model/glob.ts";
import { type MirrorRepository } from "./contract.ts";
import { type Claim } from "./format.ts";

/**
 * Sees that a repository that names what may be fetched names an address, and what it says of the bytes.
 *
 * @throws Failure `forbidden`
 */
export function checkAllowed(settings: MirrorRepository, url: URL): Claim | undefined {
  if (settings.allowed === undefined) return undefined;
  const rule = settings.allowed.find((one) => one.host === url.host && fits(one.path, url.pathname));
  if (rule === undefined)
    throw new Failure(
      "forbidden",
      `Cannot fetch "${url.host}${url.pathname}": no rule of "${settings.name}" allows it`,
      {
        hint: `Add the host and a pattern over the path to the rules of "${settings.name}"`,
        details: { isRule: true },
      },
    );
  return rule.sha256 === undefined ? undefined : { algorithm: "sha256", value: rule.sha256 };
}

/** A pattern may begin with the slash of the path or leave it out. */
function fits(pattern: string, path: string): boolean {
  const glob = readGlob(pattern.replace(/^\//, ""));
  return !("invalid" in glob) && glob.matches(path.slice(1));
}
