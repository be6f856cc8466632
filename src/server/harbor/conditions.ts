import type { TextCondition } from "../../model/text-condition.ts";
import type { Match } from "./listing.ts";
import { badRequest } from "./refusals.ts";

/** A condition of a `q` as the store takes it; none where there is none. @throws Failure `usage` for a range */
export function textConditions(match: Match | undefined): TextCondition[] {
  if (match === undefined) return [];
  if (match.kind === "range") throw badRequest("a range does not fit here");
  if (match.kind === "all") return match.values.map((value) => ({ kind: "equal" as const, value }));
  if (match.kind === "any") return [{ kind: "any", values: match.values }];
  return [{ kind: match.kind, value: match.value }];
}

/** A condition on tags, where `nil` stands for none and `*` for any. */
export function tagConditions(match: Match | undefined): (TextCondition | "none" | "some")[] {
  if (match?.kind === "equal" && match.value === "nil") return ["none"];
  if (match?.kind === "equal" && match.value === "*") return ["some"];
  return textConditions(match);
}
