import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openTestRegistry, type TestRegistry, type Told } from "./test-registry.ts";

describe("distribution", () => {
  let site: TestRegistry;
  before(async () => (site = await openTestRegistry()));
  after(async () => await site.close());

  async function get(path: string, as = "admin"): Promise<Told> {
    return await site.ask({ method: "GET", path, as });
  }

  test("serves repositories whose names hold the words of its own paths", async () => {
    for (const repository of ["a/manifests/latest", "a/blobs/uploads/x", "tags/list", "a/referrers", "v2"]) {
      const { digest } = await site.image(repository, { tag: "one" });
      assert.equal((await get(`/v2/${repository}/manifests/one`)).headers["docker-content-digest"], digest, repository);
      assert.deepEqual((await get(`/v2/${repository}/tags/list`)).json(), { name: repository, tags: ["one"] });
      const encoded = repository.replaceAll("/", "%2F");
      assert.equal((await get(`/v2/${encoded}/manifests/${digest.replace(":", "%3A")}`)).status, 200);
    }
  });

  test("answers in the spec's words to paths that are none", async () => {
    const cases = [
      ["/v2/a//tags/list", 400, "NAME_INVALID"],
      ["/v2//tags/list", 400, "NAME_INVALID"],
      ["/v2/a%2F/tags/list", 400, "NAME_INVALID"],
      [`/v2/${"a/".repeat(600)}a/tags/list`, 400, "NAME_INVALID"],
      ["/v2/_catalog/", 404, "UNSUPPORTED"],
      [`/v2/a/manifests/${"t".repeat(3000)}`, 404, "MANIFEST_UNKNOWN"],
      ["/v2/a/blobs/sha256:%00", 400, "DIGEST_INVALID"],
    ] as const;
    for (const [path, status, code] of cases) {
      const told = await get(path);
      assert.equal(told.status, status, path);
      assert.equal(told.code(), code, path);
      assert.equal(told.headers["docker-distribution-api-version"], "registry/2.0");
      assert.equal(told.headers["content-type"], "application/json");
    }
  });

  test("says which methods an endpoint has", async () => {
    const told = await site.ask({ method: "PATCH", path: "/v2/a/manifests/x" });
    assert.equal(told.status, 405);
    assert.equal(told.headers["allow"], "GET, HEAD, PUT, DELETE");
  });

  test("lets a client that asks too often wait, and says how long", async () => {
    const told = await get("/v2/", "hasty");
    assert.equal(told.status, 429);
    assert.equal(told.code(), "TOOMANYREQUESTS");
    assert.equal(told.headers["retry-after"], "7");
  });

  test("serves clients that take it for a mirror of another registry", async () => {
    const { digest } = await site.image("open/mirrored", { tag: "one" });
    for (const path of [`manifests/one`, `manifests/${digest}`, "tags/list"])
      assert.equal((await get(`/v2/open/mirrored/${path}?ns=registry.example.com`)).status, 200);
  });
});
