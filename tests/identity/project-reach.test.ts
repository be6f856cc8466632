/** Who rules over one project reaches its exceptions and its trash, and nothing of another project's. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { listAuditEvents } from "../../src/store/event-records.ts";
import { digestOf, manifestOf, push, serve, type Served, type Told } from "./served.ts";

const layers = { a: "the layer of a", b: "the layer of b" };
const digests = { a: digestOf(manifestOf(layers.a)), b: digestOf(manifestOf(layers.b)) };
const until = "2999-01-01T00:00:00Z";

describe("who rules over one project", () => {
  let folder = "";
  let served: Served;
  const passwords = new Map<string, string>();
  const send = async (who: string, path: string, body: unknown): Promise<Told> =>
    await served.ask({ method: "POST", path, as: passwords.get(who)!, body });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mintmark-reach-"));
    served = await serve(folder);
    const { own } = served;
    for (const [name, role] of [
      ["anna", "maintainer"],
      ["dora", "developer"],
      ["ben", "maintainer"],
    ] as const) {
      passwords.set(name, `${name}:${(await own<{ password: string }>("POST", "/accounts", { name })).password}`);
      const project = name === "ben" ? "b" : "a";
      if (role === "maintainer") await own("POST", "/projects", { name: project });
      await own("POST", `/projects/${project}/members`, { kind: "account", name, role });
    }
    for (const [who, project] of [
      ["anna", "a"],
      ["ben", "b"],
    ] as const) {
      const repository = `${project}/app`;
      await push(served, passwords.get(who)!, { repository, tag: "1", layer: layers[project] });
      await push(served, passwords.get(who)!, { repository, tag: "kept", layer: "what both keep" });
      const path = `/v2/${repository}/manifests/${digests[project]}`;
      assert.equal((await served.ask({ method: "DELETE", path, as: passwords.get(who)! })).status, 202);
    }
  });
  after(async () => {
    await served.close();
    await rm(folder, { recursive: true });
  });

  test("makes and ends exceptions for its repositories, and for no others", async () => {
    const wish = { vulnerability: "CVE-2026-0001", reason: "x", expiresAt: until };
    assert.equal((await send("anna", "/exceptions", wish)).status, 403, "one for all is the administrator's");
    assert.equal((await send("anna", "/exceptions", { ...wish, repository: "b/app" })).status, 403);
    assert.equal((await send("dora", "/exceptions", { ...wish, repository: "a/app" })).status, 403);
    const made = await send("anna", "/exceptions", { ...wish, repository: "a/app" });
    assert.equal(made.status, 201, made.text);
    const { id, author } = JSON.parse(made.text) as { id: string; author: string };
    assert.equal(author, "anna");
    const end = `/exceptions/${id}/end`;
    assert.equal((await send("ben", end, { reason: "x" })).status, 404, "what he cannot see is not there");
    assert.equal((await send("dora", end, { reason: "x" })).status, 403);
    assert.equal((await send("anna", end, { reason: "x" })).status, 200);
    const { id: everywhere } = await served.own<{ id: string }>("POST", "/exceptions", wish);
    assert.equal((await send("anna", `/exceptions/${everywhere}/end`, { reason: "x" })).status, 403);
  });

  test("sees and counts its own trash alone", async () => {
    const { text } = await served.ask({ method: "GET", path: "/gc/trash", as: passwords.get("anna")! });
    const trash = JSON.parse(text) as { manifests: { digest: string }[]; manifestCount: number; blobCount: number };
    assert.deepEqual(
      trash.manifests.map(({ digest }) => digest),
      [digests.a],
    );
    assert.deepEqual([trash.manifestCount, trash.blobCount], [1, 0]);
    assert.equal((await served.own<{ manifestCount: number }>("GET", "/gc/trash")).manifestCount, 2);
  });

  test("gets nothing of another project's trash, wherever it asks for it to go", async () => {
    const reason = "x";
    const digest = digests.b;
    assert.equal((await send("anna", "/gc/restore", { digest })).status, 403);
    assert.equal((await send("anna", "/gc/restore", { digest, repository: "b/app" })).status, 403);
    assert.equal((await send("anna", "/gc/restore", { digest, repository: "a/app" })).status, 404);
    assert.equal((await send("anna", "/gc/restore", { digest: digestOf(layers.b), repository: "a/app" })).status, 404);
    assert.equal((await send("anna", "/tags/restore", { repository: "b/app", tag: "1", reason })).status, 404);
    const steal = { repository: "a/app", tag: "stolen", to: digest, reason };
    assert.equal((await send("anna", "/tags/restore", steal)).status, 404);
    for (const path of [`/v2/a/app/manifests/${digest}`, `/v2/a/app/blobs/${digestOf(layers.b)}`])
      assert.equal((await served.ask({ method: "GET", path, as: passwords.get("anna")! })).status, 404, path);
    const own = await send("anna", "/gc/restore", { digest: digests.a, repository: "a/app" });
    assert.equal(own.status, 200, own.text);
  });

  test("who asks for a scan stands in the audit trail", async () => {
    assert.equal((await send("anna", "/scans", { image: "a/app:kept" })).status, 202);
    const asked = (await listAuditEvents(served.store.db, { limit: 10_000 })).filter(
      ({ action }) => action === "scan.requested",
    );
    assert.deepEqual(
      asked.map(({ actor, subject, project }) => [actor, subject, project]),
      [["anna", "a/app:kept", "a"]],
    );
  });
});
