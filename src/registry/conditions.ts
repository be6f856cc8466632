import { type IncomingHttpHeaders } from "node:http";
import { type Digest } from "../model/digest.ts";
import { matchesEtag } from "./blobs.ts";
import { refuse, type Refusal } from "./refusal.ts";

/** What a request demands of the tag or manifest that it changes; entity tags are digests in quotes. */
export type Condition = Pick<IncomingHttpHeaders, "if-match" | "if-none-match">;

/**
 * Checks a request's condition against what a tag points to now; undefined stands for nothing there.
 *
 * With it two clients can move one tag without losing each other's move. Call it in the transaction of the change.
 * Source: RFC 9110 sections 13.1.1 and 13.1.2; OCI distribution spec, "Pushing Manifests with Subject".
 */
export function checkCondition(condition: Condition, current: Digest | undefined): Refusal | undefined {
  const { "if-match": wanted, "if-none-match": unwanted } = condition;
  const isMet = isWanted(wanted, current) && !isUnwanted(unwanted, current);
  if (isMet) return undefined;
  const state = current === undefined ? "there is nothing yet" : `it is ${current} now`;
  return refuse("DENIED", `Cannot change that under the given condition: ${state}`, {
    status: 412,
    headers: current === undefined ? {} : { etag: `"${current}"` },
  });
}

/** Weak tags never match here. */
function isWanted(header: string | undefined, current: Digest | undefined): boolean {
  if (header === undefined) return true;
  if (current === undefined) return false;
  return header.trim() === "*" || header.split(",").some((one) => one.trim() === `"${current}"`);
}

function isUnwanted(header: string | undefined, current: Digest | undefined): boolean {
  if (header === undefined || current === undefined) return false;
  return header.trim() === "*" || matchesEtag(header, `"${current}"`);
}
