import type { LintRule } from "./rule.ts";
import { aptRules } from "./rules/apt-rules.ts";
import { instructionRules } from "./rules/instruction-rules.ts";
import { labelRules } from "./rules/label-rules.ts";
import { ownRules } from "./rules/own-rules.ts";
import { packageRules } from "./rules/package-rules.ts";
import { shellRules } from "./rules/shell-rules.ts";
import { stageRules } from "./rules/stage-rules.ts";

/** Every rule in the order of its id. */
export const lintRules: readonly LintRule[] = [
  ...instructionRules,
  ...stageRules,
  ...shellRules,
  ...aptRules,
  ...packageRules,
  ...labelRules,
  ...ownRules,
].toSorted((a, b) => (a.id < b.id ? -1 : 1));
