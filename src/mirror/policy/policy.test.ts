import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { silentLog } from "../../base/log.ts";
import { openStore } from "../../store/store.ts";
import type { MirrorRepository } from "../contract.ts";
import type { Format, FormatName, PackageFacts } from "../format.ts";
import { npm } from "../npm/npm.ts";
import { pypi } from "../pypi/pypi.ts";
import { comparePythonVersions } from "./pep440.ts";
import { openPolicy, type PolicyBook } from "./policy.ts";
import { isInRange, readRange, type VersionRange } from "./version-range.ts";
import { compareVersions } from "../version-order.ts";

const dayMs = 24 * 60 * 60 * 1000;
const repository: MirrorRepository = {
  name: "npm",
  format: "npm",
  kind: "proxy",
  upstream: "https://npm.example/",
  isOffline: false,
  metadataSeconds: 300,
  missingSeconds: 60,
  staleSeconds: 60,
  isPublic: true,
  allowPrivate: false,
};

async function withBook(work: (book: PolicyBook, reopen: () => Promise<PolicyBook>) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "mintmark-policy-"));
  const store = await openStore({ dataDir });
  const books: PolicyBook[] = [];
  const open = async (): Promise<PolicyBook> => {
    const book = await openPolicy({
      store,
      log: silentLog,
      formats: new Map<FormatName, Format>([
        ["npm", npm],
        ["pypi", pypi],
      ]),
      advisories: {
        generation: () => "1",
        about: async (_format, name) =>
          name === "unrated"
            ? [{ id: "GO-1", title: "", isMalicious: false, severity: "unknown", affects: () => true }]
            : name !== "bad"
              ? []
              : [
                  {
                    id: "MAL-1",
                    title: "steals",
                    isMalicious: true,
                    severity: "unknown",
                    affects: (v) => v === "6.6.6",
                  },
                  { id: "GHSA-1", title: "", isMalicious: false, severity: "high", affects: (v) => v.startsWith("1.") },
                ],
      },
      compareDebian: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
    });
    books.push(book);
    return book;
  };
  try {
    await work(await open(), open);
  } finally {
    for (const book of books) await book.close();
    await store.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

function factsOf(name: string, ages: Readonly<Record<string, number | undefined>>): PackageFacts {
  const now = nowMs();
  return {
    name,
    versions: Object.entries(ages).map(([version, days]) => ({
      version,
      files: [],
      ...(days === undefined ? {} : { publishedAt: now - days * dayMs }),
    })),
  };
}

test("by default young versions are counted and given out; enforced, they are kept back until they are old enough", async () => {
  await withBook(async (book) => {
    const facts = factsOf("left-pad", { "1.0.0": 400, "1.1.0": 1, "1.2.0": undefined });
    const audit = await book.judge({ repository, name: "left-pad", facts });
    assert.deepEqual([...audit.withheld], []);
    await book.judge({ repository, name: "left-pad", facts, version: "1.1.0" });
    await book.judge({ repository, name: "left-pad", facts, version: "1.1.0" });
    await book.judge({ repository, name: "left-pad", facts, version: "1.0.0" });
    const [finding, ...others] = await book.findings({ repository: "npm", limit: 10 });
    assert.equal(others.length, 0);
    assert.deepEqual([finding!.version, finding!.rule, finding!.mode, finding!.count], ["1.1.0", "age", "audit", 2]);

    await book.choose("*", { mode: "enforce" }, "ann");
    const enforced = await book.judge({ repository, name: "left-pad", facts });
    assert.deepEqual([...enforced.withheld.keys()], ["1.1.0"]);
    assert.match(
      enforced.withheld.get("1.1.0")!,
      /^left-pad 1\.1\.0 was published at .*held back until they are 3 days old: wait until /,
    );
    assert.ok(Math.abs(enforced.until! - (nowMs() + 2 * dayMs)) < 10_000);
    assert.notEqual(audit.generation, enforced.generation);

    await book.choose("npm", { unknownAge: "withhold", ageExempt: ["@acme/*"] }, "ann");
    assert.deepEqual(
      [...(await book.judge({ repository, name: "left-pad", facts })).withheld.keys()],
      ["1.1.0", "1.2.0"],
    );
    assert.deepEqual([...(await book.judge({ repository, name: "@acme/x", facts })).withheld.keys()], []);
    await book.choose("npm", { mode: "off" }, "ann");
    assert.equal(book.generation(repository), "");
  });
});

test("blocked names and ranges, malicious and vulnerable versions, each with its reason", async () => {
  await withBook(async (book) => {
    const blocked = [
      { name: "evil*", reason: "typosquatting" },
      { name: "lib", versions: ">=2 <2.1 || =3.0.0", reason: "broken release" },
    ];
    await book.choose("*", { mode: "enforce", minimumAgeDays: 0, blocked, maximumSeverity: "medium" }, "ann");
    const judge = async (name: string, facts?: PackageFacts, version?: string): Promise<Record<string, string>> => {
      const answer = await book.judge({ repository, name, facts, ...(version === undefined ? {} : { version }) });
      return Object.fromEntries(answer.withheld);
    };
    assert.deepEqual(await judge("evil-twin"), { "*": "evil-twin is blocked here: typosquatting" });
    const lib = factsOf("lib", { "1.9.0": 9, "2.0.5": 9, "2.1.0": 9, "3.0.0": 9 });
    assert.deepEqual(Object.keys(await judge("lib", lib)), ["2.0.5", "3.0.0"]);
    assert.deepEqual(await judge("lib", undefined, "2.0.0"), { "2.0.0": "lib 2.0.0 is blocked here: broken release" });
    assert.deepEqual(await judge("bad", factsOf("bad", { "1.5.0": 9, "2.0.0": 9, "6.6.6": 9 })), {
      "1.5.0": "bad 1.5.0 has a known high vulnerability (GHSA-1)",
      "6.6.6": "bad 6.6.6 is known to be malicious (MAL-1): steals",
    });
    await book.choose("npm", { unknownSeverity: "withhold", malicious: false, maximumSeverity: "critical" }, "ann");
    assert.deepEqual(await judge("unrated", factsOf("unrated", { "1.0.0": 9 })), {
      "1.0.0": "unrated 1.0.0 has a known vulnerability (GO-1)",
    });
    await book.choose("npm", { unknownSeverity: "allow" }, "ann");
    assert.deepEqual(await judge("unrated", factsOf("unrated", { "1.0.0": 9 })), {});
    await book.choose("npm", { maximumSeverity: "high" }, "ann");
    assert.deepEqual(await judge("bad", factsOf("bad", { "1.5.0": 9, "6.6.6": 9 })), {});
    await assert.rejects(book.choose("*", { blocked: [{ name: "x", versions: "~1", reason: "r" }] }, "ann"), Failure);
  });
});

test("a dated exception lets one version through, is told by a dry run, and outlives the process", async () => {
  await withBook(async (book, reopen) => {
    await book.choose("*", { mode: "enforce", blocked: [{ name: "@acme/core", reason: "withdrawn" }] }, "ann");
    const facts = factsOf("@acme/core", { "1.0.0": 90, "1.0.1": 90 });
    const expiresAt = nowMs() + dayMs;
    const base = { repository: undefined, reason: "the release train", author: "ann", expiresAt };
    const made = await book.allow({ ...base, pattern: "pkg:npm/@acme/core@1.0.1" });
    const check = await book.check({ repository, name: "@acme/core", facts });
    assert.deepEqual(
      check.withheld.map(({ version }) => version),
      ["1.0.0"],
    );
    assert.deepEqual(
      check.excepted.map(({ version, exception }) => [version, exception]),
      [["1.0.1", made.id]],
    );
    assert.equal(check.until, expiresAt);
    const again = await reopen();
    assert.deepEqual([...(await again.judge({ repository, name: "@acme/core", facts })).withheld.keys()], ["1.0.0"]);
    await book.endException(made.id, "ann");
    assert.deepEqual([...(await book.judge({ repository, name: "@acme/core", facts })).withheld.keys()], ["*"]);
    await assert.rejects(book.allow({ ...base, pattern: "left-pad" }), /no pattern over package URLs/);
    await assert.rejects(book.allow({ ...base, pattern: "pkg:npm/x", expiresAt: 5 }), /has passed/);
    await assert.rejects(
      book.allow({ ...base, pattern: "pkg:nmp/x" }),
      /no packages of the type "nmp", but of npm, pypi/,
    );
    await book.allow({ ...base, pattern: "pkg:*/x" });
    await assert.rejects(book.endException("nope", "ann"), Failure);
  });
});

test("where a format writes a name in several ways, rules and exceptions hold for all of them", async () => {
  await withBook(async (book) => {
    const index: MirrorRepository = { ...repository, name: "pypi", format: "pypi" };
    const blocked = [{ name: "Py_YAML", reason: "unsafe" }];
    await book.choose("*", { mode: "enforce", minimumAgeDays: 3, ageExempt: ["Acme.*"], blocked }, "ann");
    const judge = async (name: string): Promise<string[]> => {
      const answer = await book.judge({ repository: index, name, facts: factsOf(name, { "1.0": 1, "2.0": 9 }) });
      return [...answer.withheld.keys()];
    };
    assert.deepEqual(await judge("py-yaml"), ["*"]);
    assert.deepEqual(await judge("acme-lib"), []);
    assert.deepEqual(await judge("other"), ["1.0"]);
    const base = { repository: undefined, reason: "hotfix", author: "ann", expiresAt: nowMs() + dayMs };
    await book.allow({ ...base, pattern: "pkg:pypi/Py.YAML@2.0" });
    assert.deepEqual(await judge("py-yaml"), ["1.0"]);
    // Names of npm are what they are.
    await book.choose("npm", { blocked: [{ name: "JSONStream", reason: "other" }] }, "ann");
    const facts = factsOf("jsonstream", { "1.0.0": 9 });
    assert.deepEqual([...(await book.judge({ repository, name: "jsonstream", facts })).withheld.keys()], []);
  });
});

test("Python's versions come in the order of its specification", () => {
  const ordered =
    "1.dev0 1.0.dev456 1.0a1 1.0a2.dev456 1.0a12.dev456 1.0a12 1.0b1.dev456 1.0b2 1.0b2.post345.dev456 1.0b2.post345 1.0rc1.dev456 1.0rc1 1.0 1.0+abc.5 1.0+abc.7 1.0+5 1.0.post456.dev34 1.0.post456 1.0.15 1.1.dev1 1!0.1".split(
      " ",
    );
  for (let index = 1; index < ordered.length; index++)
    assert.ok(
      comparePythonVersions(ordered[index - 1]!, ordered[index]!) < 0,
      `${ordered[index - 1]} < ${ordered[index]}`,
    );
  for (const same of [
    ["1.0", "1"],
    ["1.0-1", "1.0.post1"],
    ["v1.0C1", "1.0rc1"],
    ["1.0-alpha_1", "1.0a1"],
  ])
    assert.equal(comparePythonVersions(same[0]!, same[1]!), 0, same.join(" = "));
  fc.assert(
    fc.property(fc.constantFrom(...ordered, "junk", ""), fc.constantFrom(...ordered, "junk"), (a, b) => {
      assert.equal(Math.sign(comparePythonVersions(a, b)), 0 - Math.sign(comparePythonVersions(b, a)));
    }),
  );
});

test("a range has conditions and alternatives, or says why it is none", () => {
  const holds = (range: string, version: string): boolean => {
    const read = readRange(range);
    assert.ok(!("invalid" in read), range);
    return isInRange(version, read as VersionRange, compareVersions);
  };
  assert.ok(holds(">= 1.2, < 1.4", "1.3.9"));
  assert.ok(!holds(">=1.2 <1.4", "1.4.0"));
  assert.ok(holds("<1 || 2.0.0", "2.0.0"));
  assert.ok(holds("*", "0.0.0-x"));
  assert.ok(!holds("!=1.0.0", "1.0.0"));
  for (const text of ["", "^1", "1 ||", "=>1"]) assert.ok("invalid" in readRange(text), text);
});
