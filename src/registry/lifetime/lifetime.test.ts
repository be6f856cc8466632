import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { shiftClock } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { silentLog } from "../../base/log.ts";
import { openQueue, openSchedules, type Queue, type Schedules } from "../../jobs/jobs.ts";
import { type Digest } from "../../model/digest.ts";
import { type Descriptor, mediaTypes } from "../../model/oci.ts";
import { listAuditEvents } from "../../store/event-records.ts";
import { listManifestFacts } from "../../store/retention-fact-records.ts";
import { findTag } from "../../store/tag-records.ts";
import { attachmentStem } from "../manifest-document.ts";
import { digestText, manifestText, openTestRegistry, type TestRegistry, type Told } from "../test-registry.ts";
import { type Lifetime, openLifetime } from "./lifetime.ts";

const dayMs = 24 * 60 * 60_000;

/** Runs with the clock some days on. */
async function daysLater<T>(days: number, work: () => Promise<T>): Promise<T> {
  shiftClock(days * dayMs);
  try {
    return await work();
  } finally {
    shiftClock(-days * dayMs);
  }
}

describe("the lifetime of tags", () => {
  let site: TestRegistry;
  let queue: Queue;
  let schedules: Schedules;
  let lifetime: Lifetime;
  before(async () => {
    site = await openTestRegistry();
    queue = await openQueue({ store: site.store, log: silentLog, concurrency: 2 });
    schedules = openSchedules({ store: site.store, log: silentLog });
    lifetime = await openLifetime({ store: site.store, log: silentLog, queue, schedules, isStanding: true });
  });
  after(async () => {
    schedules.close();
    await queue.close();
    await lifetime.close();
    await site.close();
  });

  const put = (repository: string, reference: string, text: string): Promise<Told> =>
    site.ask({
      method: "PUT",
      path: `/v2/${repository}/manifests/${reference}`,
      body: text,
      headers: { "content-type": mediaTypes.manifest },
    });
  const remove = (repository: string, reference: string): Promise<Told> =>
    site.ask({ method: "DELETE", path: `/v2/${repository}/manifests/${reference}` });
  const messageOf = (told: Told): string => (told.json() as { errors: { message: string }[] }).errors[0]?.message ?? "";
  const retain = async (project: string, policy: string, isDryRun = false): Promise<Record<string, string>> => {
    await lifetime.retention.set(project, policy, "admin");
    const id = await lifetime.retention.start({ project, isDryRun, actor: "admin" });
    await queue.drain();
    assert.equal((await lifetime.retention.run(id))?.failure, undefined);
    const outcomes = await lifetime.retention.outcomes(id, { after: -1, limit: 1000 });
    return Object.fromEntries(outcomes.map((one) => [one.tag ?? one.digest, `${one.decision}: ${one.reason}`]));
  };
  const dropAll = 'retention: {rules: [{tag_pattern: "keep-nothing"}]}';
  const actions = async (project: string): Promise<string[]> =>
    (await listAuditEvents(site.store.db, { limit: 10_000 }))
      .filter((event) => event.project === project)
      .map(({ action }) => action);

  /** A project with one image under `v1`, pinned and held as asked, and another that the tag could move to. */
  async function world(project: string, facts: { readonly isPinned: boolean; readonly isHeld: boolean }) {
    const repository = `${project}/app`;
    const first = await site.image(repository, { tag: "v1", layer: "one" });
    const other = manifestText({ annotations: { other: project } });
    if (facts.isPinned) await lifetime.rules.pin({ project, author: "admin", tagPattern: "v*" });
    if (facts.isHeld)
      await lifetime.rules.hold({
        repository,
        reference: "v1",
        untilAt: Date.now() + 10 * dayMs,
        author: "lawyer",
        reason: "audit",
      });
    return { repository, first, other };
  }

  // The table of docs/explanation/tag-lifetime.md, cell by cell.
  for (const [isPinned, isHeld] of [
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ] as const) {
    const name = `${isPinned ? "a pinned" : "a plain"} tag of ${isHeld ? "a held" : "a plain"} image`;
    const key = `${isPinned ? "p" : "n"}${isHeld ? "h" : "n"}`;

    test(`${name} ${isPinned ? "does not move" : "moves"} by a push, and may be pushed again as it stands`, async () => {
      const { repository, first, other } = await world(`move-${key}`, { isPinned, isHeld });
      assert.equal((await put(repository, "v1", other)).status, isPinned ? 403 : 201);
      const again = await site.ask({ method: "GET", path: `/v2/${repository}/manifests/${first.digest}` });
      assert.equal((await put(repository, isPinned ? "v1" : "w1", again.bytes.toString())).status, 201);
    });

    test(`${name} is ${isPinned ? "not removed" : "removed"} by hand`, async () => {
      const { repository, first } = await world(`untag-${key}`, { isPinned, isHeld });
      assert.equal((await remove(repository, "v1")).status, isPinned ? 403 : 202);
      const stays = await site.ask({ method: "HEAD", path: `/v2/${repository}/manifests/${first.digest}` });
      assert.equal(stays.status, 200);
    });

    test(`${name} is ${isPinned || isHeld ? "not deleted" : "deleted"} with its image by hand`, async () => {
      const { repository, first } = await world(`delete-${key}`, { isPinned, isHeld });
      const told = await remove(repository, first.digest);
      assert.equal(told.status, isPinned || isHeld ? 403 : 202);
      if (isHeld) assert.match(messageOf(told), /is held until .* by lawyer: audit/);
      else if (isPinned) assert.match(messageOf(told), /as long as the rule on tags "v\*" stands/);
    });

    test(`${name} is ${isHeld ? "kept" : "dropped"} by retention, and not held any more it goes`, async () => {
      const project = `retain-${key}`;
      const { repository, first } = await world(project, { isPinned, isHeld });
      const dry = await retain(project, dropAll, true);
      const told = await retain(project, dropAll);
      assert.deepEqual(told, dry);
      assert.match(
        told["v1"] ?? "",
        isHeld ? /^kept: held until .* by lawyer: audit/ : /^dropped: no rule is about it/,
      );
      assert.equal(await findTag(site.store.db, repository, "v1"), isHeld ? first.digest : undefined);
      if (isHeld)
        await daysLater(11, async () => assert.match((await retain(project, dropAll))["v1"] ?? "", /^dropped/));
    });

    test(`${name} is ${isPinned ? "not moved" : "moved"} by undo`, async () => {
      const project = `undo-${key}`;
      const { repository, first } = await world(project, { isPinned: false, isHeld });
      const second = await site.image(repository, { tag: "v1", layer: "two" });
      if (isPinned) await lifetime.rules.pin({ project, author: "admin", tagPattern: "v*" });
      const undo = lifetime.tags.undo({ repository, tag: "v1", actor: "admin", reason: "broken" });
      if (isPinned) await assert.rejects(undo, (error) => error instanceof Failure && error.code === "forbidden");
      else assert.deepEqual(await undo, { from: second.digest, to: first.digest, isFromTrash: false });
      assert.equal(await findTag(site.store.db, repository, "v1"), isPinned ? second.digest : first.digest);
    });

    test(`${name} comes back after retention only as the image that it was`, async () => {
      const project = `back-${key}`;
      const { repository, first, other } = await world(project, { isPinned, isHeld: false });
      await retain(project, dropAll);
      const wish = { repository, tag: "v1", actor: "admin", reason: "still used" };
      const told = await put(repository, "v1", other);
      assert.equal(told.status, isPinned ? 403 : 201);
      if (!isPinned) return;
      assert.deepEqual(await lifetime.tags.restore(wish), { from: undefined, to: first.digest, isFromTrash: true });
      assert.equal((await site.ask({ method: "GET", path: `/v2/${repository}/manifests/v1` })).status, 200);
    });
  }

  test("a rule names itself in its refusal, covers repositories by pattern, and leaves signatures alone", async () => {
    const { digest } = await site.image("pins/base", { tag: "v1" });
    await site.image("pins/free", { tag: "v1" });
    const rule = await lifetime.rules.pin({
      project: "pins",
      author: "admin",
      tagPattern: "{latest,dev-*}",
      excludesTags: true,
      repositoryPattern: "free",
      excludesRepositories: true,
    });
    const other = manifestText({ annotations: { a: "b" } });
    const told = await put("pins/base", "v1", other);
    assert.equal(told.status, 403);
    assert.equal(told.code(), "DENIED");
    assert.equal(
      messageOf(told),
      `Cannot move the tag "v1" of "pins/base": it stands for ${digest} as long as the rule on tags but "{latest,dev-*}" in repositories but "free" stands`,
    );
    assert.equal((told.json() as { errors: { detail: { rule: string } }[] }).errors[0]?.detail.rule, rule.id);
    assert.equal((await put("pins/free", "v1", other)).status, 201);
    for (const text of [other, manifestText({ annotations: { c: "d" } })]) {
      assert.equal((await put("pins/base", "dev-1", text)).status, 201);
      assert.equal((await put("pins/base", `${attachmentStem(digest)}.sig`, text)).status, 201);
    }
    const byQuery = await put("pins/base", `${digestText(other)}?tag=x&tag=v1`, other);
    assert.equal(byQuery.status, 403);
    assert.equal(await findTag(site.store.db, "pins/base", "x"), undefined);
    assert.ok(await lifetime.rules.unpin("pins", rule.id, "admin"));
    assert.ok(!(await lifetime.rules.unpin("pins", rule.id, "admin")));
    assert.equal((await put("pins/base", "v1", other)).status, 201);
    assert.deepEqual(
      (await actions("pins")).filter((action) => action.startsWith("immut")),
      ["immutability.changed", "immutability.changed"],
    );
  });

  test("rules are refused where they cannot be read or the project is missing", async () => {
    const code = (wanted: string) => (error: unknown) => error instanceof Failure && error.code === wanted;
    await site.image("refused/app");
    const rule = { project: "refused", author: "admin", tagPattern: "[" };
    await assert.rejects(lifetime.rules.pin(rule), code("usage"));
    await assert.rejects(lifetime.rules.pin({ ...rule, project: "nowhere", tagPattern: "*" }), code("not_found"));
    const hold = { repository: "refused/app", reference: "none", untilAt: Date.now() + 1000, author: "a", reason: "r" };
    await assert.rejects(lifetime.rules.hold(hold), code("not_found"));
    const { digest } = await site.image("refused/app");
    await assert.rejects(lifetime.rules.hold({ ...hold, reference: digest, untilAt: 1 }), code("usage"));
    await assert.rejects(lifetime.retention.set("nowhere", dropAll, "a"), code("not_found"));
    await assert.rejects(
      lifetime.retention.start({ project: "refused", isDryRun: true, actor: "a" }),
      code("not_found"),
    );
    await assert.rejects(lifetime.quotas.set("refused", -1, "a"), code("usage"));
    await assert.rejects(lifetime.quotas.find("nowhere"), code("not_found"));
  });

  test("a hold rule holds what ever had such a tag, for its days from the push, until it ends", async () => {
    const { digest } = await site.image("rules/app", { tag: "release-1", layer: "a" });
    const wish = { project: "rules", author: "admin", tagPattern: "release-*", days: 30, reason: "support" };
    const { id } = await lifetime.rules.addHoldRule(wish);
    await site.image("rules/app", { tag: "release-1", layer: "b" });
    const told = await remove("rules/app", digest);
    assert.equal(told.status, 403);
    assert.match(
      messageOf(told),
      /held until .* by admin: support \(rule on tags "release-\*", 30 days from the push\)/,
    );
    assert.match((await retain("rules", dropAll))["release-1"] ?? "", /^kept: held until/);
    const [tag] = await lifetime.tags.list("rules/app", { after: "", limit: 10 });
    assert.equal(tag?.hold?.author, "admin");
    await daysLater(31, async () => assert.equal((await remove("rules/app", digest)).status, 202));
    assert.ok(await lifetime.rules.removeHoldRule("rules", id, { by: "admin", reason: "over" }));
    assert.match((await retain("rules", dropAll))["release-1"] ?? "", /^dropped/);
  });

  test("a hold ends when it is released, and keeps who did it and why", async () => {
    const { digest } = await site.image("released/app", { tag: "v1" });
    const wish = { repository: "released/app", reference: "v1", author: "a", reason: "r" };
    const { id } = await lifetime.rules.hold({ ...wish, untilAt: Date.now() + dayMs });
    assert.equal((await remove("released/app", digest)).status, 403);
    assert.ok(await lifetime.rules.release(id, { by: "b", reason: "done" }));
    assert.ok(!(await lifetime.rules.release(id, { by: "b", reason: "done" })));
    assert.equal((await lifetime.rules.holds("released", { limit: 10 }))[0]?.release?.reason, "done");
    assert.equal((await remove("released/app", digest)).status, 202);
    assert.deepEqual(
      (await actions("released")).filter((action) => action.startsWith("hold.")),
      ["hold.created", "hold.released"],
    );
  });

  test("undo goes back, and again to where it began; a removed tag comes back from the trash", async () => {
    const repository = "undone/app";
    const one = await site.image(repository, { tag: "latest", layer: "1" });
    const two = await site.image(repository, { tag: "latest", layer: "2" });
    const wish = { repository, tag: "latest", actor: "admin", reason: "why not" };
    assert.equal((await lifetime.tags.undo(wish)).to, one.digest);
    assert.equal((await lifetime.tags.undo(wish)).to, two.digest);
    assert.equal((await lifetime.tags.restore({ ...wish, to: one.digest })).to, one.digest);
    const moves = await lifetime.tags.history(repository, { tag: "latest", limit: 10 });
    assert.deepEqual(
      moves.map(({ cause, reason }) => [cause, reason]),
      [
        ["restore", "why not"],
        ["undo", "why not"],
        ["undo", "why not"],
        ["push", undefined],
        ["push", undefined],
      ],
    );
    assert.equal((await actions("undone")).filter((action) => action === "tag.moved").length, 5);
    const older = await lifetime.tags.history(repository, { tag: "latest", before: moves[2]!.id, limit: 1 });
    assert.deepEqual(older, moves.slice(3, 4));
    await assert.rejects(lifetime.tags.restore(wish), /it is there/);
    assert.equal((await remove(repository, one.digest)).status, 202);
    assert.deepEqual(await lifetime.tags.undo(wish), { from: undefined, to: one.digest, isFromTrash: true });
    const missing = digestText("never pushed");
    await assert.rejects(lifetime.tags.restore({ ...wish, to: missing }), /is gone/);
    await assert.rejects(lifetime.tags.undo({ ...wish, tag: "never" }), /has never moved/);
    await assert.rejects(lifetime.tags.restore({ ...wish, tag: "never" }), /there never was one/);
    await assert.rejects(lifetime.tags.restore({ ...wish, tag: "a b", to: one.digest }), /not a tag's name/);
    assert.equal((await lifetime.tags.undo({ ...wish, tag: "latest" })).to, undefined);
  });

  test("retention drops an index with its children and what is attached, and no other way", async () => {
    const repository = "units/app";
    const index = async (tag: string, children: readonly Descriptor[]): Promise<Digest> => {
      const text = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: children });
      const path = `/v2/${repository}/manifests/${tag}`;
      const told = await site.ask({ method: "PUT", path, body: text, headers: { "content-type": mediaTypes.index } });
      assert.equal(told.status, 201);
      return digestText(text);
    };
    const [a, b, c] = [
      await site.image(repository, { layer: "a" }),
      await site.image(repository, { layer: "b" }),
      await site.image(repository, { layer: "c" }),
    ] as const;
    const old = await index("v1", [a, b]);
    const fresh = await index("v2", [b, c]);
    const attached = await site.image(repository, { subject: a, artifactType: "x/y", layer: "sbom" });
    const signature = await site.image(repository, { tag: `${attachmentStem(old)}.sig`, layer: "sig" });
    const kept = await site.image(repository, { subject: c, artifactType: "x/y", layer: "sbom2" });
    const policy = 'retention: {rules: [{tag_pattern: "*", retain_count: 1}]}';
    const dry = await retain("units", policy, true);
    assert.deepEqual(await retain("units", policy), dry);
    const left = (await listManifestFacts(site.store.db, repository, { after: "", limit: 100 })).map(
      (one) => one.digest,
    );
    assert.deepEqual(left.toSorted(), [b.digest, c.digest, fresh, kept.digest].toSorted());
    for (const gone of [old, a.digest, attached.digest, signature.digest]) assert.ok(!left.includes(gone));
    assert.deepEqual(await retain("units", policy), { v2: dry["v2"] });
    const wish = { repository, tag: "v1", actor: "admin", reason: "back" };
    assert.deepEqual(await lifetime.tags.restore(wish), { from: undefined, to: old, isFromTrash: true });
    const after = (await listManifestFacts(site.store.db, repository, { after: "", limit: 100 })).length;
    assert.equal(after, 8);
    assert.equal(await findTag(site.store.db, repository, `${attachmentStem(old)}.sig`), signature.digest);
  });

  test("retention tells the bytes that go: what others have stays uncounted", async () => {
    const [x, y] = ["x".repeat(5000), "y".repeat(7000)];
    const old = await site.image("sizes/app", { tag: "v1", layer: x });
    await site.image("sizes/app", { tag: "v2", layer: y });
    await site.image("sizes/app", { tag: "v3", layer: y, annotations: { a: "3" } });
    await site.image("elsewhere/app", { layer: "z".repeat(100) });
    const policy = 'retention: {rules: [{tag_pattern: "*", retain_count: 1}]}';
    await lifetime.retention.set("sizes", policy, "admin");
    const id = await lifetime.retention.start({ project: "sizes", isDryRun: true, actor: "admin" });
    await queue.drain();
    const outcomes = await lifetime.retention.outcomes(id, { after: -1, limit: 10, decision: "dropped" });
    const sizes = Object.fromEntries(outcomes.map(({ tag, freedBytes }) => [tag, freedBytes]));
    assert.equal(sizes["v1"], 5000 + old.size);
    assert.ok((sizes["v2"] ?? 0) < 1000, "its layer stays with v3");
    const run = await lifetime.retention.run(id);
    assert.equal(run?.freedBytes, (sizes["v1"] ?? 0) + (sizes["v2"] ?? 0));
    assert.deepEqual([run?.keptCount, run?.droppedCount, run?.isDryRun], [1, 2, true]);
    assert.deepEqual(await site.registry.tags("sizes/app"), ["v1", "v2", "v3"]);
  });

  test("what was pushed, pulled, moved, named or held since the plan stays", async () => {
    const repository = "races/app";
    const project = "races";
    const tags = ["pulled", "pushed", "moved", "named", "held", "quiet"];
    const images: Record<string, Descriptor> = {};
    for (const tag of tags) images[tag] = await site.image(repository, { tag, layer: tag });
    await lifetime.retention.set(project, dropAll, "admin");
    // The plan is made while the repository is quiet; everything happens before the first drop.
    const begin = site.store.transaction.bind(site.store);
    let isDone = false;
    const store = {
      ...site.store,
      async transaction<T>(work: Parameters<typeof begin<T>>[0]): Promise<T> {
        if (!isDone && (await lifetime.retention.runs(project, { limit: 1 }))[0]?.state === "running") {
          isDone = true;
          lifetime.pulls.record({ repository, digest: images["pulled"]!.digest, tag: undefined });
          const told = await site.ask({ method: "GET", path: `/v2/${repository}/manifests/pushed` });
          assert.equal((await put(repository, "pushed", told.bytes.toString())).status, 201);
          await site.image(repository, { tag: "moved", layer: "elsewhere" });
          const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [images["named"]] };
          const headers = { "content-type": mediaTypes.index };
          const path = `/v2/${repository}/manifests/index`;
          assert.equal((await site.ask({ method: "PUT", path, body: JSON.stringify(index), headers })).status, 201);
          const wish = { repository, reference: "held", author: "a", reason: "r" };
          await lifetime.rules.hold({ ...wish, untilAt: Date.now() + dayMs });
        }
        return await begin(work);
      },
    };
    const { openRetentionKeeping } = await import("./retention-keeping.ts");
    const raced = await openQueue({ store: site.store, log: silentLog, concurrency: 1 });
    const retention = await openRetentionKeeping({
      store,
      pulls: lifetime.pulls,
      queue: raced,
      schedules,
      isStanding: false,
    });
    const id = await retention.start({ project, isDryRun: false, actor: "admin" });
    await raced.drain();
    await raced.close();
    const outcomes = await retention.outcomes(id, { after: -1, limit: 100 });
    const told = Object.fromEntries(outcomes.map(({ tag, decision, reason }) => [tag, `${decision}: ${reason}`]));
    assert.match(told["pulled"] ?? "", /^kept: it was pulled since/);
    assert.match(told["pushed"] ?? "", /^kept: it was pushed again since|^kept: the tag "pushed" was set since/);
    assert.match(told["moved"] ?? "", /^kept: the tag "moved" was/);
    assert.match(told["named"] ?? "", /^kept: .* names it since/);
    assert.match(told["held"] ?? "", /^kept: held until .* since/);
    assert.match(told["quiet"] ?? "", /^dropped/);
    assert.deepEqual(await site.registry.tags(repository), ["held", "index", "moved", "named", "pulled", "pushed"]);
  });

  test("a policy that changes under a run stops it", async () => {
    const project = "changed";
    await site.image("changed/app", { tag: "v1" });
    await lifetime.retention.set(project, dropAll, "admin");
    const id = await lifetime.retention.start({ project, isDryRun: false, actor: "admin" });
    await lifetime.retention.remove(project, "admin");
    await queue.drain();
    const run = await lifetime.retention.run(id);
    assert.equal(run?.state, "failed");
    assert.match(run?.failure ?? "", /has no policy/);
    assert.deepEqual(await site.registry.tags("changed/app"), ["v1"]);
  });

  test("a policy's schedule is taken up, and goes with the policy", async () => {
    await site.image("timed/app", { tag: "v1" });
    await lifetime.retention.set("timed", `schedule: "0 4 * * 1"\n${dropAll}`, "admin");
    const named = async (): Promise<string | undefined> =>
      (await schedules.list()).find(({ name }) => name === "retention:timed")?.cron;
    assert.equal(await named(), "0 4 * * 1");
    await daysLater(8, async () => {
      await schedules.tick();
      await queue.drain();
    });
    const [run] = await lifetime.retention.runs("timed", { limit: 1 });
    assert.deepEqual([run?.actor, run?.droppedCount], ["schedule", 1]);
    assert.ok((await actions("timed")).includes("retention.ran"));
    assert.ok(await lifetime.retention.remove("timed", "admin"));
    assert.equal(await named(), undefined);
  });

  test("remembers the outcomes of the newest ten runs", async () => {
    await site.image("remembered/app", { tag: "v1" });
    for (let count = 0; count < 12; count++)
      await retain("remembered", 'retention: {rules: [{tag_pattern: "*"}]}', true);
    const runs = await lifetime.retention.runs("remembered", { limit: 100 });
    assert.equal(runs.length, 12);
    assert.deepEqual(
      runs.map(({ hasOutcomes }) => hasOutcomes),
      [...Array<boolean>(10).fill(true), false, false],
    );
    const older = await lifetime.retention.runs("remembered", { before: runs[9]!.id, limit: 100 });
    assert.deepEqual(older, runs.slice(10));
  });

  test("pulls are counted by tag and image, written together, and lost for nothing that is gone", async () => {
    const { digest } = await site.image("pulls/app", { tag: "v1" });
    for (const tag of ["v1", "v1", undefined]) lifetime.pulls.record({ repository: "pulls/app", digest, tag });
    lifetime.pulls.record({ repository: "pulls/app", digest: digestText("gone"), tag: "gone" });
    assert.ok(lifetime.pulls.isPending("pulls/app", digest));
    await Promise.all([lifetime.pulls.flush(), lifetime.pulls.flush()]);
    assert.ok(!lifetime.pulls.isPending("pulls/app", digest));
    const [tag] = await lifetime.tags.list("pulls/app", { after: "", limit: 10 });
    assert.equal(tag?.pullCount, 3);
    assert.ok(Math.abs((tag?.pulledAt ?? 0) - Date.now()) < 60_000);
  });
});
