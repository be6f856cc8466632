import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Descriptor, mediaTypes } from "../model/oci.ts";
import { digestText, openTestRegistry, type TestRegistry, type Told } from "./test-registry.ts";

describe("listings", () => {
  let site: TestRegistry;
  before(async () => (site = await openTestRegistry()));
  after(async () => await site.close());

  async function get(path: string, as?: string | null): Promise<Told> {
    return await site.ask({ method: "GET", path, ...(as === undefined ? {} : { as }) });
  }
  async function tagsOf(path: string): Promise<string[]> {
    return ((await get(path)).json() as { tags: string[] }).tags;
  }

  test("list tags in ASCII order, by pages that need no entry to exist", async () => {
    for (const tag of ["b", "a", "C", "10", "9", "_"]) await site.image("t", { tag });
    const told = await get("/v2/t/tags/list");
    assert.deepEqual(told.json(), { name: "t", tags: ["10", "9", "C", "_", "a", "b"] });
    assert.equal(told.headers["link"], undefined);
    const page = await get("/v2/t/tags/list?n=2");
    assert.deepEqual(page.json(), { name: "t", tags: ["10", "9"] });
    assert.equal(page.headers["link"], '</v2/t/tags/list?n=2&last=9>; rel="next"');
    assert.deepEqual(await tagsOf("/v2/t/tags/list?n=2&last=9"), ["C", "_"]);
    assert.deepEqual(await tagsOf("/v2/t/tags/list?last=9a"), ["C", "_", "a", "b"], "9a does not exist");
    const end = await get("/v2/t/tags/list?n=2&last=_");
    assert.deepEqual(end.json(), { name: "t", tags: ["a", "b"] });
    assert.equal(end.headers["link"], undefined, "a last page that is full has no next one");
    const none = await get("/v2/t/tags/list?n=0");
    assert.deepEqual(none.json(), { name: "t", tags: [] });
    assert.equal(none.headers["link"], undefined);
    for (const n of ["-1", "x", "1.5", ""]) assert.equal((await get(`/v2/t/tags/list?n=${n}`)).status, 400, n);
  });

  test("tell an empty repository from one that never was", async () => {
    await site.blob("empty", "x");
    assert.deepEqual((await get("/v2/empty/tags/list")).json(), { name: "empty", tags: [] });
    const told = await get("/v2/never/tags/list");
    assert.equal(told.status, 404);
    assert.equal(told.code(), "NAME_UNKNOWN");
  });

  test("list referrers with their type and annotations, filtered where asked", async () => {
    const subject = await site.image("r", { tag: "app" });
    const sbom = await site.image("r", { subject, artifactType: "x/sbom", annotations: { a: "1" } });
    const plain = await site.image("r", { subject, layer: "plain" });
    const path = `/v2/r/referrers/${subject.digest}`;
    const told = await get(path);
    assert.equal(told.status, 200);
    assert.equal(told.headers["content-type"], mediaTypes.index);
    assert.equal(told.headers["oci-filters-applied"], undefined);
    const expected = [
      { ...sbom, artifactType: "x/sbom", annotations: { a: "1" } },
      { ...plain, artifactType: mediaTypes.empty },
    ].sort((one, two) => (one.digest < two.digest ? -1 : 1));
    assert.deepEqual(told.json(), { schemaVersion: 2, mediaType: mediaTypes.index, manifests: expected });
    const filtered = await get(`${path}?artifactType=x%2Fsbom`);
    assert.equal(filtered.headers["oci-filters-applied"], "artifactType");
    assert.deepEqual(
      (filtered.json() as { manifests: Descriptor[] }).manifests.map(({ digest }) => digest),
      [sbom.digest],
    );
    const put = await site.ask({ method: "GET", path: `/v2/r/manifests/${sbom.digest}` });
    assert.equal(put.status, 200);
  });

  test("answer 200 with an empty index for anything unknown, 400 for what is no digest", async () => {
    for (const path of [`/v2/r/referrers/${digestText("unknown")}`, `/v2/never/referrers/${digestText("unknown")}`]) {
      const told = await get(path);
      assert.equal(told.status, 200);
      assert.equal(told.headers["content-type"], mediaTypes.index);
      assert.deepEqual((told.json() as { manifests: unknown[] }).manifests, []);
    }
    assert.equal((await get("/v2/r/referrers/sha256:x")).status, 400);
    assert.equal((await get("/v2/r/referrers/latest")).code(), "DIGEST_INVALID");
  });

  test("take a referrer before its subject, and say that it was understood", async () => {
    const subject = { mediaType: mediaTypes.manifest, digest: digestText("later"), size: 5 };
    const referrer = await site.image("s", { subject, artifactType: "x/early" });
    const text = (await get(`/v2/s/manifests/${referrer.digest}`)).bytes;
    const headers = { "content-type": mediaTypes.manifest };
    const told = await site.ask({ method: "PUT", path: "/v2/s/manifests/again", body: text, headers });
    assert.equal(told.headers["oci-subject"], subject.digest);
    const listed = (await get(`/v2/s/referrers/${subject.digest}`)).json() as { manifests: Descriptor[] };
    assert.deepEqual(
      listed.manifests.map(({ digest }) => digest),
      [referrer.digest],
    );
  });

  test("page referrers with large annotations, without losing or repeating one", async () => {
    const subject = await site.image("p");
    const annotation = "x".repeat(900_000);
    const pushed = new Set<string>();
    for (let at = 0; at < 5; at++)
      pushed.add((await site.image("p", { subject, artifactType: `x/${at}`, annotations: { annotation } })).digest);
    const seen: string[] = [];
    let pages = 0;
    for (let path: string | undefined = `/v2/p/referrers/${subject.digest}`; path !== undefined; pages++) {
      const told = await get(path);
      seen.push(...(told.json() as { manifests: Descriptor[] }).manifests.map(({ digest }) => digest));
      path = /^<(.+)>; rel="next"$/.exec(told.headers["link"] ?? "")?.[1];
    }
    assert.equal(pages, 3);
    assert.deepEqual(seen, [...pushed].sort());
  });

  test("keep a page of referrers true while others are attached", async () => {
    const subject = await site.image("q");
    const annotation = "x".repeat(900_000);
    const attach = async (name: string): Promise<string> =>
      (await site.image("q", { subject, artifactType: name, annotations: { annotation } })).digest;
    const before = [await attach("1"), await attach("2"), await attach("3"), await attach("4")].sort();
    const first = await get(`/v2/q/referrers/${subject.digest}`);
    for (const name of ["5", "6", "7"]) await attach(name);
    const seen = (first.json() as { manifests: Descriptor[] }).manifests.map(({ digest }) => digest as string);
    for (let link = first.headers["link"]; link !== undefined;) {
      const told = await get(/^<(.+)>; rel="next"$/.exec(link)![1]!);
      seen.push(...(told.json() as { manifests: Descriptor[] }).manifests.map(({ digest }) => digest));
      link = told.headers["link"];
    }
    assert.equal(new Set(seen).size, seen.length, "none twice");
    assert.ok(
      before.every((digest) => seen.includes(digest)),
      "none lost",
    );
  });

  test("take an empty filter for none", async () => {
    const subject = await site.image("u");
    await site.image("u", { subject, artifactType: "x/one" });
    const told = await get(`/v2/u/referrers/${subject.digest}?artifactType=`);
    assert.equal(told.headers["oci-filters-applied"], undefined);
    assert.equal((told.json() as { manifests: unknown[] }).manifests.length, 1);
  });

  test("list what clients put under a referrers tag, before the subject came or after", async () => {
    const subject = { mediaType: mediaTypes.manifest, digest: digestText("falls back"), size: 5 };
    const tag = `sha256-${subject.digest.slice("sha256:".length)}`;
    const early = await site.image("v", { subject, artifactType: "x/early" });
    const list = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [early] });
    const headers = { "content-type": mediaTypes.index };
    const told = await site.ask({ method: "PUT", path: `/v2/v/manifests/${tag}`, body: list, headers });
    assert.equal(told.status, 201);
    const late = await site.image("v", { subject, artifactType: "x/late" });
    const listed = (await get(`/v2/v/referrers/${subject.digest}`)).json() as { manifests: Descriptor[] };
    assert.deepEqual(listed.manifests.map(({ digest }) => digest).sort(), [early.digest, late.digest].sort());
    assert.equal((await get(`/v2/v/manifests/${tag}`)).bytes.toString(), list, "the tag is the client's own");
  });

  test("leave the type away for an index that has none", async () => {
    const subject = await site.image("w");
    const body = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [], subject });
    const headers = { "content-type": mediaTypes.index };
    await site.ask({ method: "PUT", path: `/v2/w/manifests/${digestText(body)}`, body, headers });
    const listed = (await get(`/v2/w/referrers/${subject.digest}`)).json() as { manifests: Descriptor[] };
    assert.deepEqual(listed.manifests, [{ mediaType: mediaTypes.index, digest: digestText(body), size: body.length }]);
  });

  test("show in the catalog what the caller may pull, by pages", async () => {
    for (const repository of ["open/a", "open/b", "secret/c"]) await site.blob(repository, "x");
    const all = ((await get("/v2/_catalog")).json() as { repositories: string[] }).repositories;
    assert.ok(["open/a", "open/b", "secret/c"].every((name) => all.includes(name)));
    assert.deepEqual((await get("/v2/_catalog", "reader")).json(), { repositories: ["open/a", "open/b"] });
    assert.deepEqual((await get("/v2/_catalog", null)).json(), { repositories: ["open/a", "open/b"] });
    const page = await get("/v2/_catalog?n=1", "reader");
    assert.deepEqual(page.json(), { repositories: ["open/a"] });
    assert.equal(page.headers["link"], '</v2/_catalog?n=1&last=open%2Fa>; rel="next"');
    assert.deepEqual((await get("/v2/_catalog?last=open%2Faa", "reader")).json(), { repositories: ["open/b"] });
    assert.deepEqual((await get("/v2/_catalog?n=0", "reader")).json(), { repositories: [] });
    const end = await get("/v2/_catalog?n=1&last=open%2Fa", "reader");
    assert.deepEqual(end.json(), { repositories: ["open/b"] });
    assert.equal(end.headers["link"], undefined);
  });
});
