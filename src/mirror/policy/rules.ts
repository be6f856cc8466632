import { z } from "zod";
import { readGlob } from "../../model/glob.ts";
import { severities } from "../../model/finding.ts";
import { readRange } from "./version-range.ts";

const nameGlob = z.string().superRefine((text, context) => {
  const glob = readGlob(text);
  if ("invalid" in glob) context.addIssue({ code: "custom", message: `"${text}" is no pattern: ${glob.invalid}` });
});

const rangeText = z.string().superRefine((text, context) => {
  const range = readRange(text);
  if ("invalid" in range)
    context.addIssue({ code: "custom", message: `"${text}" is no range of versions: ${range.invalid}` });
});

/** A name, or some versions of it, that nobody gets. */
const blockedSchema = z.strictObject({
  name: nameGlob.describe(
    "A pattern over the name as its ecosystem writes it: @scope/*, group:artifact, a module path",
  ),
  versions: rangeText.optional().describe("Such as `>=1.2 <1.4 || =2.0.0`; all where it is left out"),
  reason: z.string().min(1).max(500).describe("What clients are told"),
});

const fields = {
  mode: z.enum(["off", "audit", "enforce"]).describe("audit counts what enforce would keep back, and gives it out"),
  minimumAgeDays: z.number().min(0).max(3650).describe("Versions younger than this are kept back; 0 is no rule"),
  ageExempt: z.array(nameGlob).max(1000).describe("Patterns over names whose versions may be young"),
  unknownAge: z.enum(["allow", "withhold"]).describe("What happens to versions whose age nobody says"),
  blocked: z.array(blockedSchema).max(5000),
  malicious: z.boolean().describe("Whether versions that an advisory calls malicious are kept back"),
  maximumSeverity: z
    .enum(["none", ...severities])
    .describe("The worst known vulnerability that a version may have; none where it may have any"),
  unknownSeverity: z
    .enum(["allow", "withhold"])
    .describe("What happens to versions with a vulnerability that nobody rated, where there is a worst one"),
};

/** The rules of a repository, or those that hold for all. */
export const mirrorRulesSchema = z.strictObject(fields);

/** What of the rules a repository has of its own; its blocked names come on top of those for all. */
export const ownRulesSchema = z.strictObject(fields).partial();

/** The rules of a repository as they are followed. */
export type MirrorRules = z.output<typeof mirrorRulesSchema>;

/** What of the rules is chosen for one repository. */
export type OwnRules = z.output<typeof ownRulesSchema>;

/** The rules where nobody chose any: what is younger than three days is counted. */
const defaultRules: MirrorRules = {
  mode: "audit",
  minimumAgeDays: 3,
  ageExempt: [],
  unknownAge: "allow",
  blocked: [],
  malicious: true,
  maximumSeverity: "none",
  unknownSeverity: "allow",
};

/** The rules that a repository follows: its own before those for all. */
export function rulesOf(forAll: OwnRules, own: OwnRules): MirrorRules {
  // Zod writes members that are left out as undefined ones, which must not hide those below.
  const given = <Rules extends object>(rules: Rules): Partial<MirrorRules> =>
    Object.fromEntries(Object.entries(rules).filter(([, value]) => value !== undefined));
  return {
    ...defaultRules,
    ...given(forAll),
    ...given(own),
    blocked: [...(own.blocked ?? []), ...(forAll.blocked ?? defaultRules.blocked)],
    ageExempt: [...(own.ageExempt ?? []), ...(forAll.ageExempt ?? defaultRules.ageExempt)],
  };
}
