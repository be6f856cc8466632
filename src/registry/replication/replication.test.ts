import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { describe, test } from "node:test";
import { silentLog } from "../../base/log.ts";
import { openSecretBox } from "../../base/secret-box.ts";
import { openQueue, openSchedules, type Queue } from "../../jobs/jobs.ts";
import { type Digest } from "../../model/digest.ts";
import { type Descriptor, mediaTypes } from "../../model/oci.ts";
import { addImageLabel, insertLabel } from "../../store/label-records.ts";
import { attachmentTags } from "../manifest-document.ts";
import { type FaultyProxy, openFaultyProxy } from "../remote/faulty-proxy.fixture.ts";
import { openPeers, type Peers } from "../remote/peers.ts";
import { digestText, manifestText, openTestRegistry, type TestRegistry } from "../test-registry.ts";
import { openReplication, type Replication, type ReplicationRule } from "./replication.ts";
import { type SignatureSource } from "./signatures.ts";

interface Bench {
  readonly far: TestRegistry;
  readonly near: TestRegistry;
  readonly faults: FaultyProxy;
  readonly peers: Peers;
  readonly queue: Queue;
  readonly replication: Replication;
  /** Runs a rule to its end and gives its tasks. */
  run(name: string): Promise<Awaited<ReturnType<Replication["tasks"]>>>;
}

/** Two registries; the near one replicates, and takes an image for signed where its layer says so. */
async function bench(work: (bench: Bench) => Promise<void>): Promise<void> {
  const far = await openTestRegistry();
  const near = await openTestRegistry();
  const { store, registry } = near;
  const faults = await openFaultyProxy(await far.app.listen({ host: "127.0.0.1", port: 0 }));
  const peers = openPeers(store, await openSecretBox(join(store.dataDir, "secrets.key")));
  await peers.add({ name: "far", url: faults.url }, "test");
  const queue = await openQueue({ store, log: silentLog, concurrency: 4, retryDelayMs: () => 5 });
  const schedules = openSchedules({ store, log: silentLog });
  const localSignatures: SignatureSource = {
    getManifest: async (repository, reference) => await registry.getManifest(repository, reference),
    getBlob: async () => undefined,
    referrers: async (repository, subject) => await registry.referrers(repository, subject),
  };
  const replication = await openReplication({
    store,
    registry,
    peers,
    queue,
    schedules,
    log: silentLog,
    isStanding: true,
    localSignatures,
    async checkSignature({ source, repository, digest, keys }) {
      const manifest = await source.getManifest(repository, digest);
      return manifest?.bytes.toString().includes(keys[0]!) === true ? undefined : "none exists";
    },
  });
  // The far side lets whoever comes to port of the proxy in: the proxy signs in for us.
  far.app.server.prependListener("request", (request) => (request.headers.authorization ??= "Test admin"));
  const run = async (name: string): ReturnType<Bench["run"]> => {
    const execution = await replication.start(name, "test");
    await queue.drain();
    return await replication.tasks({ execution, after: "", limit: 100 });
  };
  try {
    await work({ far, near, faults, peers, queue, replication, run });
  } finally {
    await replication.close();
    schedules.close();
    await queue.close();
    peers.close();
    await faults.close();
    await far.close();
    await near.close();
  }
}

const rule: ReplicationRule = {
  name: "out",
  peer: "far",
  direction: "push",
  isEnabled: true,
  repositories: ["own/**"],
  tags: [],
  labels: [],
  signed: "any",
  keys: [],
  namespace: "mirror/site",
  replaceCount: 1,
  trigger: { kind: "manual" },
  deletion: false,
  override: true,
  bytesPerSecond: undefined,
};

async function put(
  at: TestRegistry,
  repository: string,
  { reference, body }: { reference?: string; body: string },
): Promise<Descriptor> {
  const type = body.includes('"manifests"') ? mediaTypes.index : mediaTypes.manifest;
  const digest = digestText(body);
  const path = `/v2/${repository}/manifests/${reference ?? digest}`;
  const told = await at.ask({ method: "PUT", path, body, headers: { "content-type": type } });
  assert.equal(told.status, 201, told.bytes.toString());
  return { mediaType: type, digest, size: body.length };
}

/** An index of two children, with a referrer, a referrer of that, and a signature tag. */
async function wholeUnit(
  at: TestRegistry,
  repository: string,
): Promise<{ root: Descriptor; members: Digest[]; sig: string }> {
  const children = [await at.image(repository, { layer: "one" }), await at.image(repository, { layer: "two" })];
  const body = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: children });
  const root = await put(at, repository, { reference: "1.0", body });
  const sbom = await put(at, repository, { body: manifestText({ subject: root, artifactType: "text/sbom" }) });
  const vex = await put(at, repository, { body: manifestText({ subject: sbom, artifactType: "text/vex" }) });
  const [, sig = ""] = attachmentTags(children[0]!.digest);
  const signature = await put(at, repository, {
    reference: sig,
    body: manifestText({ annotations: { signature: "yes" } }),
  });
  return { root, members: [...children, root, sbom, vex, signature].map(({ digest }) => digest), sig };
}

test("a unit is pushed whole under its new name, once", async () => {
  await bench(async ({ far, near, faults, replication, run }) => {
    const { root, members, sig } = await wholeUnit(near, "own/app");
    await near.image("other/app", { tag: "1" });
    await replication.setRule(rule, "test");
    const [task, ...more] = await run("out");
    assert.deepEqual(more, []);
    assert.equal(task?.failure, undefined);
    assert.deepEqual([task?.state, task?.outcome, task?.destination], ["succeeded", "copied", "mirror/site/app"]);
    for (const digest of members)
      assert.equal((await far.ask({ method: "HEAD", path: `/v2/mirror/site/app/manifests/${digest}` })).status, 200);
    assert.deepEqual(await far.registry.tags("mirror/site/app"), ["1.0", sig].toSorted());
    assert.equal((await far.registry.getManifest("mirror/site/app", "1.0"))?.digest, root.digest);
    assert.equal((await far.registry.referrers("mirror/site/app", root.digest)).length, 1);
    assert.equal(faults.requests.filter((line) => line.startsWith("POST")).length, 3, "each blob once");
    const writes = faults.requests.filter((line) => !/^(?:GET|HEAD)/.test(line)).length;
    const last = faults.requests.findLast((line) => line.startsWith("PUT"));
    assert.equal(last, "PUT /v2/mirror/site/app/manifests/1.0", "the tag comes last");
    const [again] = await run("out");
    assert.equal(again?.outcome, "unchanged");
    assert.equal(faults.requests.filter((line) => !/^(?:GET|HEAD)/.test(line)).length, writes);
    const [newest] = await replication.executions("out", 1);
    assert.deepEqual([newest?.state, newest?.total, newest?.trigger], ["succeeded", 1, "manual"]);
  });
});

test("a unit is pulled whole, and a far side without a referrers API gives and gets its fallback tags", async () => {
  await bench(async ({ far, near, faults, replication, run }) => {
    const { root, members } = await wholeUnit(far, "own/app");
    await replication.setRule({ ...rule, name: "in", direction: "pull", namespace: undefined }, "test");
    const [task] = await run("in");
    assert.equal(task?.failure, undefined);
    assert.equal(task?.outcome, "copied");
    for (const digest of members) assert.ok(await near.registry.getManifest("own/app", digest));
    assert.equal((await near.registry.getManifest("own/app", "1.0"))?.digest, root.digest);
    assert.equal((await near.registry.referrers("own/app", root.digest)).length, 1);

    faults.fault({ match: /\/referrers\//, status: 404 });
    await replication.setRule(rule, "test");
    const [pushed] = await run("out");
    assert.equal(pushed?.failure, undefined);
    const [list = ""] = attachmentTags(root.digest);
    const index = await far.registry.getManifest("mirror/site/app", list);
    assert.equal((JSON.parse(index!.bytes.toString()) as { manifests: unknown[] }).manifests.length, 1);
    const [again] = await run("out");
    assert.equal(again?.outcome, "unchanged");
    await replication.setRule(
      {
        ...rule,
        name: "back",
        direction: "pull",
        repositories: ["mirror/site/app"],
        namespace: "back",
        replaceCount: 2,
      },
      "test",
    );
    const [back] = await run("back");
    assert.equal(back?.failure, undefined);
    assert.equal((await near.registry.referrers("back/app", root.digest)).length, 1);
  });
});

describe("what goes wrong", () => {
  test("breaks, wrong bytes and busy peers are tried again; what stays wrong is dead and can be revived", async () => {
    await bench(async ({ far, near, faults, replication, run }) => {
      const layer = randomBytes(200_000).toString("hex");
      await near.image("own/app", { tag: "1", layer });
      await replication.setRule(rule, "test");
      const off = faults.fault({ match: /^PUT .*\/uploads\//, status: 403 });
      const [dead] = await run("out");
      assert.deepEqual([dead?.state, dead?.failure?.code], ["failed", "forbidden"]);
      assert.equal((await replication.executions("out", 1))[0]?.state, "failed");
      assert.equal((await replication.counts()).tasks.failed, 1);
      off();
      faults.fault({ match: /^PUT .*\/uploads\//, cutRequestAfterBytes: 100_000, times: 2 });
      assert.equal(await replication.retry(dead!.id), true);
      assert.equal(await replication.retry(dead!.id), false);
      const [revived] = await run("out");
      assert.equal(revived?.state, "succeeded");
      assert.ok(await far.registry.getManifest("mirror/site/app", "1"));

      await far.image("in/app", { tag: "1", layer: randomBytes(100_000).toString("hex") });
      faults.fault({ match: /^GET .*\/blobs\//, corrupt: true, times: 2 });
      await replication.setRule(
        { ...rule, name: "in", direction: "pull", repositories: ["in/app"], namespace: undefined },
        "test",
      );
      const [pulled] = await run("in");
      assert.equal(pulled?.state, "succeeded");
      assert.ok(pulled.failureCount >= 1);
    });
  });

  test("a listing that fails is told and deletes nothing", async () => {
    await bench(async ({ far, near, faults, replication, run }) => {
      await far.image("own/app", { tag: "1" });
      await near.image("own/app", { tag: "old" });
      await replication.setRule(
        { ...rule, name: "in", direction: "pull", namespace: undefined, deletion: true },
        "test",
      );
      const off = faults.fault({ match: /_catalog/, status: 403 });
      assert.deepEqual(await run("in"), []);
      const [failed] = await replication.executions("in", 1);
      assert.deepEqual([failed?.state, failed?.total], ["failed", 0]);
      assert.match(failed?.problem ?? "", /403/);
      off();
      assert.deepEqual(
        (await run("in")).map(({ operation, outcome }) => [operation, outcome]),
        [
          ["copy", "copied"],
          ["delete", "deleted"],
        ],
      );
      assert.deepEqual(await near.registry.tags("own/app"), ["1"]);
    });
  });
});

test("what a rule does not want stays: other tags, unsigned images, tags that stand elsewhere", async () => {
  await bench(async ({ far, near, replication, run }) => {
    await near.image("own/app", { tag: "v1" });
    await near.image("own/app", { tag: "dev", layer: "dev" });
    const signed = { ...rule, tags: ["v*"], signed: "key", keys: ["by-us"] } as const;
    await replication.setRule(signed, "test");
    assert.deepEqual(
      (await run("out")).map(({ reference, outcome, note }) => [reference, outcome, note]),
      [["v1", "skipped", "none exists"]],
    );
    await near.image("own/app", { tag: "v2", annotations: { "by-us": "yes" } });
    assert.deepEqual(
      (await run("out")).map(({ outcome }) => outcome),
      ["skipped", "copied"],
    );
    await replication.setRule({ ...rule, tags: ["v1"], signed: "present" }, "test");
    assert.equal((await run("out"))[0]?.note, "it has no signature");
    await far.image("mirror/site/app", { tag: "v1", layer: "theirs" });
    await replication.setRule({ ...rule, tags: ["v1"], override: false }, "test");
    assert.equal((await run("out"))[0]?.outcome, "skipped");
    await replication.setRule({ ...rule, tags: ["v1"], labels: ["gold"] }, "test");
    assert.equal((await run("out"))[0]?.note, 'it does not carry "gold"');
    const label = await near.store.transaction(
      async (db) => await insertLabel(db, { name: "gold", description: "", color: "", project: undefined }),
    );
    const { digest } = (await near.registry.getManifest("own/app", "v1"))!;
    await addImageLabel(near.store.db, { repository: "own/app", digest }, label!.id);
    assert.equal((await run("out"))[0]?.outcome, "copied");
    for (const bad of [
      { direction: "pull" as const, name: "p", labels: ["gold"] },
      { repositories: [] },
      { repositories: ["{"] },
      { signed: "key" as const },
      { namespace: "UPPER" },
      { name: "Bad" },
      { trigger: { kind: "schedule" as const, cron: "x" } },
      { direction: "pull" as const, name: "p", trigger: { kind: "event" as const } },
    ])
      await assert.rejects(replication.setRule({ ...rule, ...bad }, "test"), { code: "usage" });
    await assert.rejects(replication.setRule({ ...rule, direction: "pull" }, "test"), { code: "conflict" });
    await assert.rejects(replication.setRule({ ...rule, peer: "none" }, "test"), { code: "not_found" });
    await replication.setRule({ ...rule, isEnabled: false }, "test");
    await assert.rejects(replication.start("out", "test"), { code: "conflict" });
    await replication.removeRule("out", "test");
    await assert.rejects(replication.rule("out"), { code: "not_found" });
  });
});

test("a push, a later signature and a deletion travel by themselves", async () => {
  await bench(async ({ far, near, queue, replication }) => {
    await replication.setRule({ ...rule, trigger: { kind: "event" }, deletion: true }, "test");
    const settle = async (): Promise<void> => {
      await replication.caughtUp();
      await queue.drain();
    };
    const image = await near.image("own/app", { tag: "1" });
    await settle();
    assert.equal((await far.registry.getManifest("mirror/site/app", "1"))?.digest, image.digest);
    await put(near, "own/app", { body: manifestText({ subject: image, artifactType: "a/b" }) });
    await settle();
    assert.equal((await far.registry.referrers("mirror/site/app", image.digest)).length, 1);
    const [, sig = ""] = attachmentTags(image.digest);
    await put(near, "own/app", { reference: sig, body: manifestText({ annotations: { signature: "yes" } }) });
    await settle();
    assert.ok(await far.registry.getManifest("mirror/site/app", sig));
    await near.ask({ method: "DELETE", path: "/v2/own/app/manifests/1" });
    await settle();
    assert.equal(await far.registry.getManifest("mirror/site/app", "1"), undefined);
  });
});
