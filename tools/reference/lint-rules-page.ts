import { lintRules } from "../../src/build/lint/rules.ts";
import { code, pageHead, table } from "./markdown.ts";

/** docs/reference/lint-rules.md: every rule of `mintmark lint`, with a bad and a good sample. */
export function lintRulesPage(): string {
  const about = [
    "`mintmark lint` judges Containerfiles by these rules. Ids with `DL` are those of hadolint and mean the same;",
    "those with `MM` are ours. Only errors make the command fail. Where a lock lies beside the file, the rules about",
    "pinning are still: the lock pins every base image and every file that a build fetches.",
    "",
    "`# hadolint ignore=DL3003` before an instruction, or `# hadolint global ignore=DL3003` anywhere, silences `DL`",
    "rules. Everything else needs an exception in a `lint.yaml` beside the file, which ends on a day:",
    "",
    "```yaml",
    "exceptions:",
    "  - rule: DL3004",
    "    file: Containerfile # any file of the folder where left out",
    "    reason: the vendor's installer calls sudo itself",
    "    author: ann",
    "    until: 2027-01-31 # an exception that has ended is an error",
    "registries: [registry.example.com, '*.example.org'] # base images come from nowhere else",
    "labels: { org.opencontainers.image.licenses: spdx } # text, url, rfc3339, spdx, hash, semver, email",
    "strictLabels: false # true: no other labels",
    "severities: { DL3057: warning } # error, warning, info, style; also switches on what is off",
    "```",
  ].join("\n");
  const rows = lintRules.map(({ id, severity, isOff, title }) => [
    `[${id}](#${id.toLowerCase()})`,
    isOff === true ? `${severity}, off` : severity,
    title,
  ]);
  const parts = lintRules.map(({ id, advice, bad, good, settings }) =>
    [
      `## ${id}`,
      "",
      advice,
      "",
      ...sample("Bad", bad),
      ...sample(settings?.hasLock === true ? "Good, beside a lock" : "Good", good),
      ...(settings === undefined || settings.hasLock === true
        ? []
        : [`Judged with ${code(JSON.stringify(settings))}.`, ""]),
    ].join("\n"),
  );
  return `${pageHead("Lint rules", about)}\n${table(["rule", "severity", "what it refuses"], rows)}\n${parts.join("\n").trimEnd()}\n`;
}

function sample(title: string, text: string): string[] {
  return [`${title}:`, "", "```dockerfile", text, "```", ""];
}
