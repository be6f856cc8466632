import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Digest, sha256Digest } from "../../model/digest.ts";
import { attachmentStem } from "../manifest-document.ts";
import { type Hold } from "./holds.ts";
import {
  planRetention,
  type PlannedManifest,
  type PlannedTag,
  type RepositoryFacts,
  type RetentionPlan,
} from "./retention-plan.ts";
import { readRetentionPolicy, type RetentionPolicy, type RetentionRule } from "./retention-policy.ts";

const dayMs = 24 * 60 * 60_000;
const now = Date.UTC(2026, 1, 23, 4);
const digest = (index: number): Digest => sha256Digest(index.toString(16).padStart(64, "0"));

interface Sketch {
  readonly name: string;
  readonly image: number;
  /** Days ago. */
  readonly pushed: number;
}

/** A repository of plain images, one for each number, pushed when its first tag was. */
function facts(tags: readonly Sketch[], more: Partial<RepositoryFacts> = {}): RepositoryFacts {
  const manifests = new Map<Digest, PlannedManifest>();
  for (const { image, pushed } of tags)
    if (!manifests.has(digest(image))) manifests.set(digest(image), manifest({ pushedAt: now - pushed * dayMs }));
  return {
    repository: "aibox/base",
    tags: tags.map(({ name, image, pushed }) => ({ name, digest: digest(image), pushedAt: now - pushed * dayMs })),
    manifests,
    holds: new Map(),
    ...more,
  };
}

function manifest(fields: Partial<PlannedManifest> = {}): PlannedManifest {
  return { pushedAt: now, pulledAt: undefined, subject: undefined, children: [], ...fields };
}

function policy(...rules: (Partial<RetentionRule> & { readonly tagPattern: string })[]): RetentionPolicy {
  return {
    schedule: undefined,
    rules: rules.map((rule) => ({ scope: "per_repository", ...rule })),
    untaggedDays: undefined,
  };
}

function kept({ outcomes }: RetentionPlan): string[] {
  return outcomes.filter(({ decision }) => decision === "kept").map(({ tag }) => tag ?? "");
}

function reasons({ outcomes }: RetentionPlan): Record<string, string> {
  return Object.fromEntries(outcomes.map(({ tag, decision, reason }) => [tag ?? "", `${decision}: ${reason}`]));
}

describe("a retention plan", () => {
  const runbook = readRetentionPolicy(`
schedule: "0 4 * * 1"
retention:
  rules:
    - tag_pattern: "latest"
      action: retain
    - tag_pattern: "*-cve-*"
      retain_days: 90
    - tag_pattern: "*"
      retain_count: 8
      scope: per_repository
`);
  const weekly = Array.from({ length: 12 }, (_, week) => ({
    name: `24.04-w${week}`,
    image: week,
    pushed: week * 7 + 1,
  }));

  test("keeps what the runbook says: the last 8 weekly builds, latest, and emergencies for 90 days", () => {
    const tags = [
      ...weekly,
      { name: "latest", image: 0, pushed: 1 },
      { name: "24.04-x-cve-2026-1", image: 20, pushed: 89 },
      { name: "24.04-x-cve-2025-9", image: 21, pushed: 91 },
    ];
    const plan = planRetention(runbook, [facts(tags)], now);
    assert.deepEqual(kept(plan), [...weekly.slice(0, 8).map(({ name }) => name), "latest", "24.04-x-cve-2026-1"]);
    const told = reasons(plan);
    assert.equal(told["latest"], 'kept: rule 1 "latest": always');
    assert.equal(told["24.04-w0"], 'kept: rule 3 "*": number 1 of the last pushed, 8 are kept');
    assert.equal(told["24.04-w8"], 'dropped: no rule keeps it: rule 3 "*": number 9 of the last pushed, 8 are kept');
    assert.equal(told["24.04-x-cve-2026-1"], 'kept: rule 2 "*-cve-*": pushed 89 days ago on 2025-11-26, kept for 90');
    assert.equal(
      told["24.04-x-cve-2025-9"],
      'dropped: no rule keeps it: rule 2 "*-cve-*": pushed 91 days ago on 2025-11-24, kept for 90; rule 3 "*": number 13 of the last pushed, 8 are kept',
    );
  });

  test("gives latest no place of its own: rolled back, it keeps a ninth image, with all of its names", () => {
    const plan = planRetention(runbook, [facts([...weekly, { name: "latest", image: 10, pushed: 0 }])], now);
    assert.deepEqual(kept(plan), [...weekly.slice(0, 8).map(({ name }) => name), "24.04-w10", "latest"]);
    assert.equal(reasons(plan)["24.04-w10"], 'kept: same image as "latest"');
  });

  test("counts images, not tags: builds that came out the same are one", () => {
    const same = weekly.map((tag, index) => (index < 6 ? { ...tag, image: 5 } : tag));
    assert.equal(kept(planRetention(runbook, [facts(same)], now)).length, 12);
  });

  test("keeps an emergency beyond its days while it is among the last 8", () => {
    const tags = [{ name: "24.04-x-cve-1", image: 1, pushed: 200 }];
    assert.deepEqual(kept(planRetention(runbook, [facts(tags)], now)), ["24.04-x-cve-1"]);
  });

  test("keeps and drops an index with its children, and an image with what is attached to it", () => {
    const tags: PlannedTag[] = [
      { name: "new", digest: digest(1), pushedAt: now },
      { name: "old", digest: digest(2), pushedAt: now - dayMs },
      { name: `${attachmentStem(digest(2))}.sig`, digest: digest(6), pushedAt: now },
      { name: `${attachmentStem(digest(1))}.sig`, digest: digest(7), pushedAt: now - 900 * dayMs },
      { name: `${attachmentStem(digest(99))}.sig`, digest: digest(9), pushedAt: now - 900 * dayMs },
    ];
    const manifests = new Map([
      [digest(1), manifest({ children: [digest(3), digest(4)] })],
      [digest(2), manifest({ children: [digest(4), digest(5)] })],
      [digest(3), manifest()],
      [digest(4), manifest()],
      [digest(5), manifest()],
      [digest(6), manifest()],
      [digest(7), manifest()],
      [digest(8), manifest({ subject: digest(5) })],
      [digest(9), manifest()],
    ]);
    const plan = planRetention(policy({ tagPattern: "*", retainCount: 1 }), [facts([], { tags, manifests })], now);
    assert.deepEqual(
      plan.units.map(({ members }) => members.toSorted()),
      [[digest(2), digest(5), digest(6), digest(8)]],
    );
    assert.deepEqual(plan.units[0]?.outcomes, [1, 2]);
    const told = reasons(plan);
    assert.equal(told[tags[3]!.name], 'kept: attached to "new"');
    assert.match(told[tags[2]!.name] ?? "", /^dropped: goes with/);
    assert.match(told[tags[4]!.name] ?? "", /^kept: attached to an image that this repository does not have/);
  });

  test("counts per project, by repository patterns, and leaves what no rule covers alone", () => {
    const one = facts([
      { name: "a", image: 1, pushed: 1 },
      { name: "b", image: 2, pushed: 3 },
    ]);
    const two = { ...facts([{ name: "c", image: 3, pushed: 2 }]), repository: "aibox/java" };
    const perProject = policy({ tagPattern: "*", retainCount: 2, scope: "per_project" });
    assert.deepEqual(kept(planRetention(perProject, [one, two], now)), ["a", "c"]);
    const onlyBase = policy({ tagPattern: "*", retainCount: 1, repositoryPattern: "base" });
    const plan = planRetention(onlyBase, [one, two], now);
    assert.deepEqual(kept(plan), ["a", "c"]);
    assert.equal(reasons(plan)["c"], "kept: no rule covers its repository");
  });

  test("keeps by pulls, of an index by those of its children", () => {
    const tags = [1, 2, 3].map((image) => ({ name: `v${image}`, image, pushed: 100 }));
    const base = facts(tags);
    const manifests = new Map(base.manifests)
      .set(digest(1), manifest({ pushedAt: 0, children: [digest(9)] }))
      .set(digest(9), manifest({ pushedAt: 0, pulledAt: now - dayMs }))
      .set(digest(2), manifest({ pushedAt: 0, pulledAt: now - 40 * dayMs }));
    const repository = { ...base, manifests };
    const days = planRetention(policy({ tagPattern: "*", retainPulledDays: 30 }), [repository], now);
    assert.deepEqual(kept(days), ["v1"]);
    assert.match(reasons(days)["v3"] ?? "", /never pulled/);
    const count = planRetention(policy({ tagPattern: "*", retainPulledCount: 2 }), [repository], now);
    assert.deepEqual(kept(count), ["v1", "v2"]);
  });

  test("leaves images without a tag alone unless the policy gives them days", () => {
    const manifests = new Map([
      [digest(1), manifest({ pushedAt: now - 10 * dayMs })],
      [digest(2), manifest({ pushedAt: now - 5 * dayMs })],
    ]);
    const repository = facts([], { manifests });
    const rules = policy({ tagPattern: "*", retainCount: 1 });
    assert.deepEqual(planRetention(rules, [repository], now).units, []);
    const plan = planRetention({ ...rules, untaggedDays: 7 }, [repository], now);
    assert.deepEqual(plan.units, [{ repository: "aibox/base", members: [digest(1)], outcomes: [0] }]);
    assert.equal(plan.outcomes[0]?.reason, "no tag, and pushed more than 7 days ago");
  });
});

/** Repositories with every kind of tie between manifests. */
const anyRepository: fc.Arbitrary<RepositoryFacts> = fc
  .array(
    fc.record({
      age: fc.integer({ min: 0, max: 200 }),
      pulled: fc.option(fc.integer({ min: 0, max: 200 }), { nil: undefined }),
      children: fc.array(fc.nat({ max: 30 }), { maxLength: 3 }),
      subject: fc.option(fc.nat({ max: 30 }), { nil: undefined }),
      tags: fc.array(fc.constantFrom("latest", "v1", "v2", "v3", "a-cve-1", "b-cve-2", "x", "y"), { maxLength: 2 }),
      attachedTo: fc.option(fc.nat({ max: 30 }), { nil: undefined }),
    }),
    { maxLength: 14 },
  )
  .chain((sketches) => fc.tuple(fc.constant(sketches), fc.array(fc.boolean(), { minLength: 14, maxLength: 14 })))
  .map(([sketches, held]) => {
    const manifests = new Map<Digest, PlannedManifest>();
    const tags = new Map<string, PlannedTag>();
    const holds = new Map<Digest, Hold>();
    sketches.forEach(({ age, pulled, children, subject, tags: names, attachedTo }, index) => {
      const own = digest(index);
      const pushedAt = now - age * dayMs;
      // A manifest can only name what was there before: nothing in this world hangs together in a circle.
      const earlier = (other: number): Digest[] => (index === 0 ? [] : [digest(other % index)]);
      manifests.set(own, {
        pushedAt,
        pulledAt: pulled === undefined ? undefined : now - pulled * dayMs,
        children: [...new Set(children.flatMap(earlier))],
        subject: subject === undefined ? undefined : earlier(subject)[0],
      });
      for (const name of names) tags.set(name, { name, digest: own, pushedAt });
      if (attachedTo !== undefined) {
        const name = `${attachmentStem(digest(attachedTo))}.sig`;
        tags.set(name, { name, digest: own, pushedAt });
      }
      if (held[index] === true && age % 5 === 0)
        holds.set(own, { digest: own, untilAt: now + dayMs, author: "a", reason: "r" });
    });
    return { repository: "p/r", tags: [...tags.values()], manifests, holds };
  });

const anyRule = fc.record(
  {
    tagPattern: fc.constantFrom("*", "latest", "v*", "*-cve-*", "nothing"),
    retainDays: fc.integer({ min: 1, max: 100 }),
    retainCount: fc.integer({ min: 1, max: 4 }),
    retainPulledDays: fc.integer({ min: 1, max: 100 }),
    retainPulledCount: fc.integer({ min: 1, max: 4 }),
    repositoryPattern: fc.constantFrom("r", "q", "**"),
    scope: fc.constantFrom("per_repository" as const, "per_project" as const),
  },
  { requiredKeys: ["tagPattern", "scope"] },
);

const anyPolicy: fc.Arbitrary<RetentionPolicy> = fc.record({
  schedule: fc.constant(undefined),
  rules: fc.array(anyRule, { minLength: 1, maxLength: 4 }),
  untaggedDays: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }),
});

const anyProject = fc
  .array(anyRepository, { minLength: 1, maxLength: 2 })
  .map((all) => all.map((facts, index) => ({ ...facts, repository: index === 0 ? "p/r" : "p/q" })));

/** The repositories once a plan was carried out. */
function afterwards(repositories: readonly RepositoryFacts[], { outcomes, units }: RetentionPlan): RepositoryFacts[] {
  return repositories.map((facts) => {
    const gone = new Set(
      units.filter(({ repository }) => repository === facts.repository).flatMap((unit) => unit.members),
    );
    const dropped = new Set(
      outcomes
        .filter(({ repository, decision }) => repository === facts.repository && decision === "dropped")
        .map(({ tag }) => tag),
    );
    return {
      ...facts,
      tags: facts.tags.filter(({ name }) => !dropped.has(name)),
      manifests: new Map([...facts.manifests].filter(([one]) => !gone.has(one))),
    };
  });
}

describe("any retention plan", () => {
  const check = (property: (policy: RetentionPolicy, project: RepositoryFacts[], plan: RetentionPlan) => void): void =>
    fc.assert(
      fc.property(anyPolicy, anyProject, (rules, project) =>
        property(rules, project, planRetention(rules, project, now)),
      ),
      { numRuns: 400 },
    );

  test("decides about every tag once, and a tag goes exactly when its image does", () => {
    check((_, project, { outcomes, units }) => {
      const names = outcomes
        .filter(({ tag }) => tag !== undefined)
        .map(({ repository, tag }) => `${repository}:${tag}`);
      const all = project.flatMap(({ repository, tags }) => tags.map(({ name }) => `${repository}:${name}`));
      assert.deepEqual(names.toSorted(), all.toSorted());
      const gone = new Set(units.flatMap(({ repository, members }) => members.map((one) => `${repository}@${one}`)));
      for (const { repository, digest: target, tag, decision } of outcomes)
        if (decision === "kept" || tag?.endsWith(".sig") !== true)
          assert.equal(gone.has(`${repository}@${target}`), decision === "dropped");
      assert.equal(gone.size, units.flatMap(({ members }) => members).length);
      const placed = units.flatMap((unit) => unit.outcomes).toSorted((a, b) => a - b);
      const dropped = outcomes.flatMap(({ decision }, index) => (decision === "dropped" ? [index] : []));
      assert.deepEqual(placed, dropped);
    });
  });

  test("never drops what is held", () => {
    check((_, project, { units }) => {
      for (const { repository, members } of units) {
        const { holds } = project.find((facts) => facts.repository === repository)!;
        for (const member of members) assert.ok(!holds.has(member));
      }
    });
  });

  test("never drops a child of a kept index, nor parts a kept image from what is attached to it", () => {
    check((_, project, plan) => {
      for (const { manifests, tags } of afterwards(project, plan)) {
        for (const [, { children, subject }] of manifests) {
          const before = new Set(project.flatMap((facts) => [...facts.manifests.keys()]));
          for (const child of children) assert.ok(manifests.has(child) || !before.has(child));
          if (subject !== undefined) assert.ok(manifests.has(subject) || !before.has(subject));
        }
        for (const { digest: target } of tags) assert.ok(manifests.has(target));
      }
      for (const [index, { manifests }] of afterwards(project, plan).entries())
        for (const [one, { subject }] of project[index]!.manifests)
          if (subject !== undefined && manifests.has(subject)) assert.ok(manifests.has(one));
    });
  });

  test("has nothing left to do once it was carried out", () => {
    check((rules, project, plan) => {
      const again = planRetention(rules, afterwards(project, plan), now);
      assert.deepEqual(again.units, []);
      assert.ok(again.outcomes.every(({ decision }) => decision === "kept"));
    });
  });

  test("keeps no less with one more rule below", () => {
    fc.assert(
      fc.property(anyPolicy, anyRule, anyProject, (rules, rule, project) => {
        const covered = { ...rule, repositoryPattern: "**" };
        const all = { ...rules, rules: rules.rules.map((one) => ({ ...one, repositoryPattern: "**" })) };
        const fewer = new Set(kept(planRetention(all, project, now)));
        const more = new Set(kept(planRetention({ ...all, rules: [...all.rules, covered] }, project, now)));
        assert.ok(fewer.isSubsetOf(more));
      }),
    );
  });

  test("keeps what a rule without limits is about", () => {
    check((rules, project) => {
      const all = { ...rules, rules: [...rules.rules, { tagPattern: "v*", scope: "per_repository" as const }] };
      for (const { tag, decision } of planRetention(all, project, now).outcomes)
        if (tag?.startsWith("v") === true) assert.equal(decision, "kept");
    });
  });
});
