import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Failure } from "../../base/errors.ts";
import { readRetentionPolicy } from "./retention-policy.ts";

/** The policy of the platform team's runbook, byte for byte. */
export const runbookPolicy = `# Harbor GC schedule (configured in Harbor admin)
schedule: "0 4 * * 1"  # Monday 04:00 UTC
retention:
  rules:
    - tag_pattern: "latest"
      action: retain
    - tag_pattern: "*-cve-*"
      retain_days: 90
    - tag_pattern: "*"
      retain_count: 8
      scope: per_repository
`;

function refusal(text: string): { readonly message: string; readonly hint: string } {
  try {
    readRetentionPolicy(text);
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    assert.equal(error.code, "usage");
    return { message: error.message, hint: error.hint ?? "" };
  }
  return assert.fail("it was read");
}

const one = (lines: string): string => `retention:\n  rules:\n    - tag_pattern: "*"\n      ${lines}\n`;

describe("retention policy", () => {
  test("reads the runbook's as it is written", () => {
    assert.deepEqual(readRetentionPolicy(runbookPolicy), {
      schedule: "0 4 * * 1",
      rules: [
        { tagPattern: "latest", scope: "per_repository" },
        { tagPattern: "*-cve-*", retainDays: 90, scope: "per_repository" },
        { tagPattern: "*", retainCount: 8, scope: "per_repository" },
      ],
      untaggedDays: undefined,
    });
  });

  test("reads every key, in YAML and in JSON", () => {
    const rule = {
      tag_pattern: "v*",
      repository_pattern: "base",
      action: "retain",
      retain_pushed_days: 1,
      retain_pushed_count: 2,
      retain_pulled_days: 3,
      retain_pulled_count: 4,
      scope: "per_project",
    };
    const text = JSON.stringify({ retention: { rules: [rule], untagged: { retain_days: 7 } } });
    assert.deepEqual(readRetentionPolicy(text), {
      schedule: undefined,
      rules: [
        {
          tagPattern: "v*",
          repositoryPattern: "base",
          retainDays: 1,
          retainCount: 2,
          retainPulledDays: 3,
          retainPulledCount: 4,
          scope: "per_project",
        },
      ],
      untaggedDays: 7,
    });
  });

  test("says where it is wrong and what was meant", () => {
    const rows: [text: string, message: RegExp, hint: RegExp][] = [
      ["", /is not a mapping/, /how-to/],
      ["[]", /is not a mapping/, /how-to/],
      ["retention: {}", /neither rules nor untagged/, /Remove/],
      ["schedul: x", /line 1: the key "schedul" is unknown/, /Did you mean schedule\?/],
      ["retension:\n  rules: []", /line 1: the key "retension"/, /Did you mean retention\?/],
      ["retention:\n  rule: []", /line 2: the key "rule" is unknown/, /Did you mean rules\?/],
      [one("retain_day: 3"), /line 4: the key "retain_day" is unknown/, /Did you mean retain_days\?/],
      [one("keep: 3"), /line 4: the key "keep" is unknown/, /The keys here are tag_pattern/],
      ['retention:\n  rules:\n    - tag_patern: "*"', /line 3: the key "tag_patern"/, /tag_pattern\?/],
      ["retention:\n  rules:\n    - retain_days: 3", /rule 1 has no tag_pattern/, /tag_pattern: "\*"/],
      ["retention:\n  rules:\n    - latest", /a rule is not a mapping/, /how-to/],
      ["retention:\n  rules: 3", /"rules" is not a list/, /how-to/],
      [one("retain_days: 0"), /line 4: retain_days is 0/, /how-to/],
      [one('retain_days: "90"'), /retain_days is "90"/, /how-to/],
      [one("retain_count: 1.5"), /retain_count is 1.5/, /how-to/],
      [one("retain_days: 1\n      retain_pushed_days: 2"), /same thing/, /Keep one/],
      [one("action: delete"), /line 4: rule 1 has the action "delete"/, /only action is retain/],
      [one("scope: project"), /line 4: rule 1 has the scope "project"/, /per_repository or per_project/],
      [one('repository_pattern: "{a"'), /line 4: repository_pattern "\{a": it has a \{/, /how-to/],
      [one("repository_pattern: 3"), /is 3, not a text/, /quotes/],
      ['schedule: "61 4 * * 1"\nretention: {untagged: {retain_days: 1}}', /Cannot read the schedule/, /Mondays/],
      ["schedule: 4\nretention: {untagged: {retain_days: 1}}", /"schedule" is not a text/, /quotes/],
      ["retention:\n\t- x", /line 2 is not YAML/, /how-to/],
      ["a: &a [*a, *a]", /Cannot read/, /./],
      ["x".repeat(70_000), /more than 65536 characters/, /how-to/],
    ];
    for (const [text, message, hint] of rows) {
      const told = refusal(text);
      assert.match(told.message, message);
      assert.match(told.hint, hint);
    }
  });

  test("reads any text or refuses it with a failure", () => {
    const key = fc.constantFrom(
      "schedule",
      "retention",
      "rules",
      "untagged",
      "tag_pattern",
      "retain_days",
      "scope",
      "x",
    );
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom("*", "{", 1, -1, null, true, "per_project"),
        fc.dictionary(key, tie("any"), { maxKeys: 4 }),
        fc.array(tie("any"), { maxLength: 3 }),
      ),
    })).any;
    fc.assert(
      fc.property(
        fc.oneof(
          value.map((tree) => JSON.stringify(tree)),
          fc.string(),
        ),
        (text) => {
          try {
            readRetentionPolicy(text);
          } catch (error) {
            assert.ok(error instanceof Failure, String(error));
          }
        },
      ),
    );
  });
});
