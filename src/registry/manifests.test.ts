import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { nowMs } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { type Digest } from "../model/digest.ts";
import { emptyDescriptor, mediaTypes } from "../model/oci.ts";
import { purgeManifests } from "../store/collection-purge-records.ts";
import { listAuditEvents } from "../store/event-records.ts";
import { insertManifest, readManifestBytes } from "../store/manifest-records.ts";
import { listTagMoves } from "../store/tag-records.ts";
import { digestText, manifestText, openTestRegistry, type TestRegistry, type Told } from "./test-registry.ts";

describe("manifests", () => {
  let site: TestRegistry;
  before(async () => (site = await openTestRegistry()));
  after(async () => await site.close());

  async function put(path: string, body: string, contentType: string = mediaTypes.manifest): Promise<Told> {
    return await site.ask({ method: "PUT", path, body, headers: { "content-type": contentType } });
  }
  async function status(path: string, method: "GET" | "HEAD" | "DELETE" = "HEAD"): Promise<number> {
    return (await site.ask({ method, path })).status;
  }

  test("come back byte for byte, by tag and by digest, with the type they came with", async () => {
    await site.blob("a", "{}");
    const text = `{ "x" :\n 1.0, ${manifestText({}).slice(1)}\n`;
    const digest = digestText(text);
    const told = await put("/v2/a/manifests/one", text, `${mediaTypes.manifest}; charset=utf-8`);
    assert.equal(told.status, 201);
    assert.equal(told.headers["location"], `/v2/a/manifests/${digest}`);
    assert.equal(told.headers["docker-content-digest"], digest);
    assert.equal(told.headers["oci-subject"], undefined);
    for (const reference of ["one", digest]) {
      const got = await site.ask({ method: "GET", path: `/v2/a/manifests/${reference}` });
      assert.equal(got.bytes.toString(), text);
      const head = await site.ask({ method: "HEAD", path: `/v2/a/manifests/${reference}` });
      assert.equal(head.bytes.length, 0);
      for (const { headers } of [got, head]) {
        assert.equal(headers["content-type"], mediaTypes.manifest);
        assert.equal(headers["content-length"], String(Buffer.byteLength(text)));
        assert.equal(headers["docker-content-digest"], digest);
        assert.equal(headers["etag"], `"${digest}"`);
      }
    }
  });

  test("are served whatever Accept says, and not again to who has them", async () => {
    const { digest } = await site.image("a", { tag: "accept" });
    for (const accept of ["*/*", "text/html", mediaTypes.index]) {
      const told = await site.ask({ method: "GET", path: "/v2/a/manifests/accept", headers: { accept } });
      assert.equal(told.headers["content-type"], mediaTypes.manifest);
    }
    for (const etag of [`"${digest}"`, `W/"${digest}"`, `"x", "${digest}"`]) {
      const told = await site.ask({
        method: "GET",
        path: "/v2/a/manifests/accept",
        headers: { "if-none-match": etag },
      });
      assert.equal(told.status, 304);
      assert.equal(told.bytes.length, 0);
    }
  });

  test("need what they consist of in the same repository, with the right size", async () => {
    const told = await put("/v2/b/manifests/x", manifestText({}));
    assert.equal(told.status, 400);
    assert.equal(told.code(), "MANIFEST_BLOB_UNKNOWN");
    await site.blob("b", "{}");
    assert.equal((await put("/v2/b/manifests/x", manifestText({}))).status, 201);
    const elsewhere = await site.blob("c", "elsewhere");
    assert.equal(
      (await put("/v2/b/manifests/y", manifestText({ layers: [elsewhere] }))).code(),
      "MANIFEST_BLOB_UNKNOWN",
    );
    const wrongSize = manifestText({ config: { ...emptyDescriptor, size: 3 } });
    assert.equal((await put("/v2/b/manifests/y", wrongSize)).code(), "MANIFEST_INVALID");
    const child = { mediaType: mediaTypes.manifest, digest: digestText("no child"), size: 1 };
    const index = (manifests: unknown[]): string =>
      JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests });
    assert.equal((await put("/v2/b/manifests/i", index([child]), mediaTypes.index)).code(), "MANIFEST_BLOB_UNKNOWN");
    assert.equal((await put("/v2/b/manifests/i", index([]), mediaTypes.index)).status, 201, "an empty index");
    const image = await site.image("b");
    const nested = index([image]);
    assert.equal((await put("/v2/b/manifests/i", nested, mediaTypes.index)).status, 201);
    const outer = { mediaType: mediaTypes.index, digest: digestText(nested), size: nested.length };
    assert.equal((await put("/v2/b/manifests/o", index([outer]), mediaTypes.index)).status, 201, "an index of indexes");
    assert.equal(await status("/v2/b/manifests/y"), 404, "nothing half done");
  });

  test("are refused where type, digest, tag or document are not sound", async () => {
    await site.blob("d", "{}");
    assert.equal((await put("/v2/d/manifests/x", "{")).code(), "MANIFEST_INVALID");
    assert.equal((await put("/v2/d/manifests/x", manifestText({}), mediaTypes.index)).code(), "MANIFEST_INVALID");
    assert.equal((await put("/v2/d/manifests/-bad", manifestText({}))).code(), "MANIFEST_INVALID");
    assert.equal((await put(`/v2/d/manifests/${"t".repeat(129)}`, manifestText({}))).code(), "MANIFEST_INVALID");
    const wrong = await put(`/v2/d/manifests/${digestText("other")}`, manifestText({}));
    assert.equal(wrong.status, 400);
    assert.equal(wrong.code(), "DIGEST_INVALID");
    for (const bad of ["sha256:abc", "sha999:00", "a:b"]) {
      assert.equal((await put(`/v2/d/manifests/${bad}`, manifestText({}))).code(), "DIGEST_INVALID");
      assert.equal(await status(`/v2/d/manifests/${bad}`, "GET"), 400);
    }
    assert.equal(await status("/v2/d/manifests/-bad", "GET"), 404);
    assert.equal((await put("/v2/NAME/manifests/x", manifestText({}))).code(), "NAME_INVALID");
  });

  test("of docker's first schema are refused, of its second taken", async () => {
    await site.blob("docker", "{}");
    const first = "application/vnd.docker.distribution.manifest.v1+";
    for (const type of [`${first}json`, `${first}prettyjws`]) {
      const text = JSON.stringify({ schemaVersion: 1, name: "docker", tag: "x", fsLayers: [], history: [] });
      const told = await put("/v2/docker/manifests/x", text, type);
      assert.equal(told.status, 400);
      assert.equal(told.code(), "MANIFEST_INVALID");
    }
    const second = manifestText({ mediaType: mediaTypes.dockerManifest });
    assert.equal((await put("/v2/docker/manifests/x", second, mediaTypes.dockerManifest)).status, 201);
    const child = { mediaType: mediaTypes.dockerManifest, digest: digestText(second), size: second.length };
    const list = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.dockerIndex, manifests: [child] });
    assert.equal((await put("/v2/docker/manifests/all", list, mediaTypes.dockerIndex)).status, 201);
    const got = await site.ask({ method: "GET", path: "/v2/docker/manifests/all" });
    assert.equal(got.headers["content-type"], mediaTypes.dockerIndex);
  });

  test("may lack layers that are not to be distributed", async () => {
    await site.blob("foreign", "{}");
    const layer = {
      mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
      digest: digestText("elsewhere"),
      size: 9,
      urls: ["https://store.example.com/elsewhere"],
    };
    assert.equal((await put("/v2/foreign/manifests/x", manifestText({ layers: [layer] }))).status, 201);
  });

  test("may carry data, if they are the bytes", async () => {
    await site.blob("data", "{}");
    const carry = (data: string): string => manifestText({ config: { ...emptyDescriptor, data } });
    assert.equal((await put("/v2/data/manifests/x", carry("e30="))).status, 201);
    assert.equal((await put("/v2/data/manifests/x", carry("W10="))).code(), "MANIFEST_INVALID");
  });

  test("move a tag only where it stands as the client believes", async () => {
    await site.blob("if", "{}");
    const path = "/v2/if/manifests/moved";
    const [first, second] = [manifestText({ a: 1 }), manifestText({ a: 2 })];
    const putIf = async (body: string, headers: Record<string, string>): Promise<Told> =>
      await site.ask({ method: "PUT", path, body, headers: { "content-type": mediaTypes.manifest, ...headers } });
    assert.equal((await putIf(first, { "if-match": "*" })).status, 412, "there is none");
    assert.equal((await putIf(first, { "if-none-match": "*" })).status, 201);
    const told = await putIf(second, { "if-none-match": "*" });
    assert.equal(told.status, 412);
    assert.equal(told.code(), "DENIED");
    assert.equal(told.headers["etag"], `"${digestText(first)}"`);
    assert.equal((await putIf(second, { "if-match": `"${digestText(second)}"` })).status, 412);
    assert.equal((await putIf(second, { "if-match": `W/"${digestText(first)}"` })).status, 412, "weak");
    assert.equal((await putIf(second, { "if-match": `"x", "${digestText(first)}"` })).status, 201);
    const stale = { "if-match": `"${digestText(first)}"` };
    assert.equal((await site.ask({ method: "DELETE", path, headers: stale })).status, 412);
    const byDigest = `/v2/if/manifests/${digestText(first)}`;
    assert.equal((await site.ask({ method: "DELETE", path: byDigest, headers: stale })).status, 202);
    assert.equal((await site.ask({ method: "DELETE", path, headers: { "if-match": "*" } })).status, 202);
  });

  test("stay while an index names them, but not for a list of referrers", async () => {
    const image = await site.image("child");
    const index = (fields: object): string =>
      JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [image], ...fields });
    const path = `/v2/child/manifests/${image.digest}`;
    await put("/v2/child/manifests/all", index({}), mediaTypes.index);
    await put("/v2/child/manifests/attached", index({ subject: image }), mediaTypes.index);
    const told = await site.ask({ method: "DELETE", path });
    assert.equal(told.status, 405);
    assert.equal(told.code(), "DENIED");
    assert.equal(await status("/v2/child/manifests/all", "DELETE"), 202);
    assert.equal(await status(path, "DELETE"), 405, "an index without a tag is one still");
    await put(`/v2/child/manifests/${digestText("s").replace(":", "-")}`, index({}), mediaTypes.index);
    assert.equal(await status(path, "DELETE"), 202);
  });

  test("above 4 MiB are refused with 413, just below they are taken", async () => {
    await site.blob("e", "{}");
    const padded = (size: number): string => {
      const bare = manifestText({ annotations: { pad: "" } }).length;
      return manifestText({ annotations: { pad: "x".repeat(size - bare) } });
    };
    assert.equal((await put("/v2/e/manifests/max", padded(limits.manifestBytes))).status, 201);
    const told = await put("/v2/e/manifests/more", padded(limits.manifestBytes + 1));
    assert.equal(told.status, 413);
    assert.equal(told.code(), "SIZE_INVALID");
  });

  test("with sha512 are put by digest, with tags in the query", async () => {
    await site.blob("f", "{}");
    const text = manifestText({ annotations: { a: "sha512" } });
    const digest = `sha512:${createHash("sha512").update(text).digest("hex")}`;
    const told = await put(`/v2/f/manifests/${digest}?tag=v1&tag=v1.2&tag=latest`, text);
    assert.equal(told.status, 201);
    assert.equal(told.headers["docker-content-digest"], digest);
    assert.equal(told.headers["oci-tag"], "v1, v1.2, latest");
    const got = await site.ask({ method: "GET", path: "/v2/f/manifests/latest" });
    assert.equal(got.headers["docker-content-digest"], digest);
    const tags = (count: number): string => Array.from({ length: count }, (_, at) => `tag=t${at}`).join("&");
    assert.equal((await put(`/v2/f/manifests/${digest}?${tags(50)}`, text)).status, 201);
    assert.equal((await put(`/v2/f/manifests/${digest}?${tags(51)}`, text)).status, 414);
    assert.equal((await put(`/v2/f/manifests/${digest}?tag=fine&tag=-bad`, text)).status, 400);
    assert.equal(await status("/v2/f/manifests/fine"), 404, "all tags or none");
  });

  test("moves a tag with history, and writes nothing down where it stands so", async () => {
    const first = await site.image("g", { tag: "latest", layer: "1" });
    const second = await site.image("g", { tag: "latest", layer: "2" });
    await site.image("g", { tag: "latest", layer: "2" });
    assert.equal(await status("/v2/g/manifests/latest", "DELETE"), 202);
    const moves = await listTagMoves(site.store.db, "g", { tag: "latest", limit: 10 });
    assert.deepEqual(
      moves.map(({ from, to, actor }) => ({ from, to, actor })),
      [
        { from: second.digest, to: undefined, actor: "admin" },
        { from: first.digest, to: second.digest, actor: "admin" },
        { from: undefined, to: first.digest, actor: "admin" },
      ],
    );
  });

  test("deletes a tag alone, a digest with all its tags, and an index without its children", async () => {
    const { digest } = await site.image("h", { tag: "one" });
    await site.image("h", { tag: "two" });
    assert.equal(await status("/v2/h/manifests/one", "DELETE"), 202);
    assert.equal(await status("/v2/h/manifests/one"), 404);
    assert.equal(await status("/v2/h/manifests/one", "DELETE"), 404);
    assert.equal(await status(`/v2/h/manifests/${digest}`), 200);
    const image = await site.image("h", { layer: "child" });
    const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [image] });
    await put("/v2/h/manifests/index", index, mediaTypes.index);
    assert.equal(await status(`/v2/h/manifests/${digestText(index)}`, "DELETE"), 202);
    assert.equal(await status("/v2/h/manifests/index"), 404);
    assert.equal(await status(`/v2/h/manifests/${image.digest}`), 200);
    assert.equal(await status(`/v2/h/manifests/${digest}`, "DELETE"), 202);
    assert.equal(await status("/v2/h/manifests/two"), 404);
    assert.equal(await status(`/v2/h/manifests/${digest}`, "DELETE"), 404);
    assert.equal(await status("/v2/h/manifests/none", "DELETE"), 404);
  });

  test("keeps the bytes of a manifest for the repositories that still have it", async () => {
    const { digest } = await site.image("i/one", { layer: "i" });
    await site.image("i/two", { layer: "i" });
    assert.equal(await status(`/v2/i/one/manifests/${digest}`, "DELETE"), 202);
    assert.equal(await status(`/v2/i/one/manifests/${digest}`), 404);
    assert.equal(await status(`/v2/i/two/manifests/${digest}`), 200);
    assert.equal(await status(`/v2/i/two/manifests/${digest}`, "DELETE"), 202);
    assert.ok((await readManifestBytes(site.store.db, digest)) !== undefined, "the trash could give it back");
    await site.store.transaction(async (db) => await purgeManifests(db, { until: nowMs(), limit: 100 }));
    assert.equal(await readManifestBytes(site.store.db, digest), undefined);
    assert.equal((await site.image("i/one", { layer: "i" })).digest, digest, "pushed again");
  });

  test("is one unit with what is attached to it, at any depth and by any scheme", async () => {
    const image = await site.image("j", { tag: "app", layer: "app" });
    const sbom = await site.image("j", { subject: image, artifactType: "x/sbom" });
    const signature = await site.image("j", { tag: "sbom-sig", subject: sbom, artifactType: "x/sig" });
    const stem = image.digest.replace(":", "-");
    const cosign = await site.image("j", { tag: `${stem}.sig`, layer: "cosign" });
    const shared = await site.image("j", { tag: "kept", layer: "shared" });
    await site.image("j", { tag: `${stem}.att`, layer: "shared" });
    assert.equal(await status(`/v2/j/manifests/${image.digest}`, "DELETE"), 202);
    for (const { digest } of [image, sbom, signature, cosign])
      assert.equal(await status(`/v2/j/manifests/${digest}`), 404);
    for (const tag of ["app", "sbom-sig", `${stem}.sig`, `${stem}.att`])
      assert.equal(await status(`/v2/j/manifests/${tag}`), 404, tag);
    assert.equal(await status(`/v2/j/manifests/${shared.digest}`), 200, "another tag holds it");
    const events = await listAuditEvents(site.store.db, { limit: 1000 });
    const event = events.findLast(({ subject }) => subject === `j@${image.digest}`);
    assert.equal(event?.action, "image.deleted");
    assert.equal(event.actor, "admin");
    assert.equal(event.details["deletedCount"], 4);
  });

  test("end in circles of subjects too", async () => {
    // True digests cannot make a circle, so these two are not the digests of anything.
    const [one, two] = [digestText("one"), digestText("two")];
    await site.store.transaction(async (db) => {
      for (const [digest, subject] of [
        [one, two],
        [two, one],
      ] as const)
        await insertManifest(db, {
          repository: "k",
          digest,
          mediaType: mediaTypes.manifest,
          bytes: Buffer.from("x"),
          artifactType: undefined,
          annotations: undefined,
          edges: [{ child: subject, kind: "subject" }],
          actor: "admin",
        });
    });
    assert.equal(await status(`/v2/k/manifests/${one}`, "DELETE"), 202);
    for (const digest of [one, two]) assert.equal(await status(`/v2/k/manifests/${digest}`), 404);
  });

  test("in process follow the same rules", async () => {
    const { registry, store } = site;
    const layer = await store.blobs.put(Buffer.from("in process"));
    const empty = await store.blobs.put(Buffer.from("{}"));
    await registry.linkBlob("l", layer.digest);
    const descriptor = { mediaType: mediaTypes.layerZstd, digest: layer.digest, size: layer.sizeBytes };
    const bytes = Buffer.from(manifestText({ layers: [descriptor] }));
    const input = { repository: "l", reference: "v1", mediaType: mediaTypes.manifest, bytes, actor: "build" };
    await assert.rejects(registry.putManifest(input), { code: "not_found" });
    await registry.linkBlob("l", empty.digest);
    const { digest } = await registry.putManifest(input);
    assert.deepEqual(await registry.putManifest(input), { digest });
    assert.deepEqual(await registry.getManifest("l", "v1"), { digest, mediaType: mediaTypes.manifest, bytes });
    assert.equal(await registry.getManifest("l", "v2"), undefined);
    assert.equal(await registry.getManifest("m", digest), undefined);
    assert.deepEqual(await registry.tags("l"), ["v1"]);
    await assert.rejects(registry.linkBlob("l", digestText("nowhere")), { code: "not_found" });
    await assert.rejects(registry.linkBlob("BAD", layer.digest), { code: "usage" });
    const wrong: Digest = digestText("x");
    await assert.rejects(registry.putManifest({ ...input, reference: wrong }), { code: "digest_mismatch" });
    const attached = Buffer.from(
      manifestText({ artifactType: "x/y", subject: { mediaType: mediaTypes.manifest, digest, size: bytes.length } }),
    );
    await registry.putManifest({ ...input, reference: digestText(attached), bytes: attached });
    assert.deepEqual(
      (await registry.referrers("l", digest)).map((one) => one.digest),
      [digestText(attached)],
    );
    assert.deepEqual(await registry.referrers("l", digest, "x/z"), []);
  });
});
