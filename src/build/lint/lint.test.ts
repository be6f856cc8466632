import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { emptyLintFile, parseLintFile, useExceptions } from "./exceptions.ts";
import { hasErrors, lintContainerfile, plainSettings } from "./lint.ts";
import type { LintRule, LintSettings } from "./rule.ts";
import { lintRules } from "./rules.ts";

const none = useExceptions(emptyLintFile, "2026-01-01");

function found(text: string, settings: Partial<LintSettings> = {}): string[] {
  const report = lintContainerfile({
    file: "Containerfile",
    text,
    settings: { ...plainSettings, ...settings },
    severities: { DL1001: "info", DL3057: "info" },
    exceptions: none,
  });
  return report.findings.map(({ rule, line }) => `${rule}:${line}`);
}

function ids(text: string, settings?: Partial<LintSettings>): string[] {
  return found(text, settings).map((entry) => entry.split(":")[0]!);
}

describe("rules", () => {
  for (const rule of lintRules)
    test(`${rule.id} refuses its bad sample and passes its good one`, () => {
      const settings = rule.settings ?? {};
      // Where a lock makes the good sample good, the bad one is judged without.
      assert.ok(
        ids(rule.bad, { ...settings, ...(isLockRule(rule) ? { hasLock: false, awaitsLock: true } : {}) }).includes(
          rule.id,
        ),
      );
      assert.ok(!ids(rule.good, settings).includes(rule.id), found(rule.good, settings).join(" "));
    });

  test("have one id each and say what they mean", () => {
    assert.equal(new Set(lintRules.map(({ id }) => id)).size, lintRules.length);
    for (const { id, title, advice } of lintRules) {
      assert.match(id, /^(?:DL[134]|MM[12])\d{3}$/);
      assert.doesNotMatch(title, /\.$/);
      assert.match(advice, /[.…`]$/);
    }
    assert.ok(lintRules.filter(({ id }) => id.startsWith("DL")).length >= 60);
  });

  test("never advise to pin versions in apt-get", () => {
    const rule = lintRules.find(({ id }) => id === "DL3008")!;
    assert.match(rule.advice, /mintmark lock/);
    assert.match(rule.advice, /Do not write versions/);
  });

  test("are still where a lock pins everything", () => {
    const text = "FROM debian\nRUN apt-get install -y --no-install-recommends git && pip install --no-cache-dir x";
    assert.deepEqual(
      ids(text, { hasLock: true }).filter((id) => /DL3008|DL3013|MM100[12]/.test(id)),
      [],
    );
    assert.deepEqual(
      ids(text).filter((id) => /DL3008|DL3013|MM100[12]/.test(id)),
      ["MM1001", "MM1002", "DL3008", "DL3013"],
    );
  });
});

function isLockRule({ bad, good }: LintRule): boolean {
  return bad === good;
}

const cases: readonly { readonly name: string; readonly text: string; readonly has?: string; readonly not?: string }[] =
  [
    {
      name: "sees a command after a continued line and a comment",
      text: "RUN apt-get update \\\n # why\n && apt install x",
      has: "DL3027",
    },
    { name: "sees commands of a here document", text: "RUN <<EOF\nset -e\nsudo make\nEOF", has: "DL3004" },
    {
      name: "does not take another program's here document for shell",
      text: "RUN python3 <<EOF\nsudo = 1\nEOF",
      not: "DL3004",
    },
    { name: "sees what an exec form starts", text: 'RUN ["sudo", "make"]', has: "DL3004" },
    {
      name: "sees what a shell of an exec form starts",
      text: 'RUN ["/bin/sh", "-c", "x && sudo make"]',
      has: "DL3004",
    },
    { name: "sees triggers", text: "ONBUILD RUN sudo make", has: "DL3004" },
    { name: "does not take an argument for a program", text: "RUN echo sudo", not: "DL3004" },
    { name: "sees commands after assignments and env", text: "RUN A=1 env B=2 sudo make", has: "DL3004" },
    { name: "sees substitutions", text: 'RUN echo "$(sudo make)"', has: "DL3004" },
    {
      name: "sees bodies of loops and conditions",
      text: "RUN if true; then for x in a b; do sudo $x; done; fi",
      has: "DL3004",
    },
    { name: "lets a subshell change its folder", text: "RUN x=$(cd /srv && pwd)", not: "DL3003" },
    { name: "takes -qqy for yes", text: "RUN apt-get install -qqy x", not: "DL3014" },
    {
      name: "takes a cache mount for clean",
      text: "RUN --mount=type=cache,target=/var/lib/apt apt-get update",
      not: "DL3009",
    },
    { name: "takes set -o pipefail for safe", text: "RUN set -o pipefail && a | b", not: "DL4006" },
    { name: "does not take || for a pipe", text: "RUN a || b", not: "DL4006" },
    { name: "knows sh -c with a substitution", text: 'RUN sh -c "$(curl -fsSL https://example.com)"', has: "MM1005" },
    { name: "knows pipes through sudo", text: "RUN curl https://example.com | sudo bash -s x", has: "MM1005" },
    { name: "lets a download be unpacked", text: "RUN curl https://example.com | tar -x", not: "MM1005" },
    {
      name: "knows forms of credentials in RUN",
      text: "RUN git clone https://ann:secret99@example.com/x",
      has: "MM1003",
    },
    {
      name: "lets a variable stand for a credential",
      text: "RUN git clone https://ann:$PASS@example.com/x",
      not: "MM1003",
    },
    { name: "lets a secret's file name pass", text: "ENV DB_PASSWORD_FILE=/run/secrets/db", not: "MM1003" },
    { name: "knows copied keys in folders", text: "COPY keys/id_ed25519 /root/.ssh/", has: "MM1004" },
    { name: "lets an example of an environment file pass", text: "COPY .env.example /srv/", not: "MM1004" },
    { name: "takes a here document for a source", text: "COPY <<EOF /etc/x\na\nEOF", not: "DL3021" },
    { name: "fills arguments into images", text: "ARG X=1", not: "DL3007" },
    {
      name: "is not led astray by a program's own words",
      text: "RUN npm install -g npm@11.0.0 && npm ci",
      not: "DL3016",
    },
    { name: "knows scoped packages without version", text: "RUN npm install -g @scope/name", has: "DL3016" },
    { name: "knows scoped packages with version", text: "RUN npm install -g @scope/name@1.0.0", not: "DL3016" },
    {
      name: "lets pip take a file of requirements",
      text: "RUN pip install --no-cache-dir -r requirements.txt",
      not: "DL3013",
    },
    { name: "knows python -m pip", text: "RUN python3 -m pip install x", has: "DL3042" },
    { name: "keeps quotes together", text: "LABEL a.b='c d' e.f=\"g h\"", not: "DL3048" },
  ];

describe("samples", () => {
  for (const { name, text, has, not } of cases)
    test(name, () => {
      const all = ids(`FROM debian:12\n${text}\n`);
      if (has !== undefined) assert.ok(all.includes(has), all.join(" "));
      if (not !== undefined) assert.ok(!all.includes(not), all.join(" "));
    });

  test("names the line of each finding", () => {
    assert.deepEqual(
      found("# syntax=docker/dockerfile:1\nFROM debian:12\n\nRUN make \\\n  install\nUSER app\nWORKDIR x\n").filter(
        (entry) => /DL3066|DL3000/.test(entry),
      ),
      ["DL3066:6", "DL3000:7"],
    );
  });

  test("takes a file with the backtick as its escape character", () => {
    assert.ok(ids("# escape=`\nFROM debian:12\nRUN a `\n && sudo b\n").includes("DL3004"));
  });

  test("survives anything", () => {
    for (const text of [
      "",
      "\n",
      "FROM",
      "RUN",
      "FROM a\nRUN \\",
      "FROM a AS",
      "COPY --from= a b",
      "ENV",
      "FROM a\nRUN <<",
      "\u0000",
    ])
      assert.ok(Array.isArray(found(text)));
  });
});

describe("exceptions", () => {
  const text = "FROM debian:12\n# hadolint ignore=DL3004,MM1005\nRUN sudo curl https://example.com | sh\nRUN sudo b\n";

  test("inline comments hold for one instruction and for DL rules only", () => {
    const all = found(text).filter((entry) => /DL3004|MM1005/.test(entry));
    assert.deepEqual(all, ["DL3004:4"]);
    assert.ok(ids("FROM debian:12\n# hadolint ignore=MM1005\nRUN curl https://example.com | sh").includes("MM1005"));
    assert.ok(!ids("# hadolint global ignore=DL3004\nFROM debian:12\nRUN sudo a\nRUN sudo b").includes("DL3004"));
  });

  test("hold until their day, and fail after it", () => {
    const file = parseLintFile(
      "exceptions:\n  - rule: DL3004\n    reason: the vendor's installer asks for it\n    author: ann\n    until: 2026-06-30\n",
      "lint.yaml",
    );
    const on = (day: string) => {
      const exceptions = useExceptions(file, day);
      const report = lintContainerfile({
        file: "a/Containerfile",
        text: "FROM debian:12\nRUN sudo a",
        settings: plainSettings,
        severities: {},
        exceptions,
      });
      return { fails: hasErrors([report]), expired: exceptions.expired.length, excepted: report.excepted.length };
    };
    assert.deepEqual(on("2026-06-30"), { fails: false, expired: 0, excepted: 1 });
    assert.deepEqual(on("2026-07-01"), { fails: true, expired: 1, excepted: 0 });
  });

  test("need a reason, an author and an end", () => {
    assert.throws(
      () => parseLintFile("exceptions: [{ rule: DL3004, reason: because, author: ann, until: 2026-06-30 }]", "x"),
      /at least ten characters/,
    );
    assert.throws(() => parseLintFile("exceptions: [{ rule: DL3004, author: ann }]", "x"), /until/);
    assert.throws(() => parseLintFile("severities: { DL3004: ignore }", "x"), /Cannot use "x"/);
  });
});
