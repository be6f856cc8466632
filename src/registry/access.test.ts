import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { listAuditEvents } from "../store/event-records.ts";
import { digestText, openTestRegistry, type TestRegistry, type Told } from "./test-registry.ts";

describe("access", () => {
  let site: TestRegistry;
  before(async () => (site = await openTestRegistry()));
  after(async () => await site.close());

  async function ask(method: "GET" | "POST" | "PUT" | "DELETE", path: string, as: string | null): Promise<Told> {
    return await site.ask({ method, path, as });
  }

  test("is told at /v2/ where to get it, even where pulls are open", async () => {
    const told = await ask("GET", "/v2/", null);
    assert.equal(told.status, 401);
    assert.equal(told.headers["www-authenticate"], 'Bearer realm="test"');
    assert.equal(told.headers["docker-distribution-api-version"], "registry/2.0");
    const known = await ask("GET", "/v2/", "reader");
    assert.equal(known.status, 200);
    assert.deepEqual(known.json(), {});
    const token = await site.ask({
      method: "GET",
      path: "/v2",
      as: null,
      headers: { authorization: "Bearer anonymous" },
    });
    assert.equal(token.status, 200, "an anonymous token is enough");
  });

  test("is refused to wrong credentials, also where anyone may pull", async () => {
    const { digest } = await site.blob("open/a", "x");
    const told = await ask("GET", `/v2/open/a/blobs/${digest}`, "nobody");
    assert.equal(told.status, 401);
    assert.equal(told.code(), "UNAUTHORIZED");
    const path = `/v2/open/a/blobs/${digest}`;
    const token = await site.ask({ method: "GET", path, as: null, headers: { authorization: "Bearer stale" } });
    assert.match(token.headers["www-authenticate"]!, /error="invalid_token"$/);
  });

  test("asks who has no account for one, with the scope that it takes", async () => {
    const push = await ask("POST", "/v2/open/a/blobs/uploads/", null);
    assert.equal(push.status, 401);
    assert.equal(push.headers["www-authenticate"], 'Bearer realm="test",scope="repository:open/a:pull,push"');
    const remove = await ask("DELETE", "/v2/open/a/manifests/x", null);
    assert.match(remove.headers["www-authenticate"]!, /scope="repository:open\/a:delete"/);
  });

  test("does not tell whether a closed repository exists", async () => {
    const { digest } = await site.blob("secret/real", "x");
    const paths = [`manifests/latest`, `blobs/${digest}`, "tags/list", `referrers/${digestText("x")}`];
    for (const as of [null, "reader"])
      for (const path of paths) {
        const real = await ask("GET", `/v2/secret/real/${path}`, as);
        const imagined = await ask("GET", `/v2/secret/none/${path}`, as);
        assert.equal(real.status, as === null ? 401 : 403);
        assert.equal(real.bytes.toString().replaceAll("secret/real", "secret/none"), imagined.bytes.toString());
        assert.equal(real.status, imagined.status);
      }
  });

  test("is denied to an account without the right, asked anew of a token without the scope", async () => {
    const told = await ask("POST", "/v2/open/a/blobs/uploads/", "reader");
    assert.equal(told.status, 403);
    assert.equal(told.code(), "DENIED");
    assert.equal((await ask("DELETE", "/v2/own/a/manifests/x", "pusher")).status, 403);
    const path = "/v2/open/a/blobs/uploads/";
    const token = await site.ask({ method: "POST", path, as: null, headers: { authorization: "Bearer reader" } });
    assert.equal(token.status, 401);
    assert.match(
      token.headers["www-authenticate"]!,
      /scope="repository:open\/a:pull,push",error="insufficient_scope"$/,
    );
    const events = await listAuditEvents(site.store.db, { limit: 100 });
    const denied = events.filter(({ action, actor }) => action === "registry.denied" && actor === "reader");
    assert.ok(denied.some(({ subject, details }) => subject === "open/a" && details["action"] === "push"));
  });

  test("offers what the spec has, and says so otherwise", async () => {
    const cases = [
      ["POST", "/v2/open/a/tags/list", 405],
      ["PUT", `/v2/open/a/blobs/${digestText("x")}`, 405],
      ["GET", "/v2/open/a/blobs/uploads/", 405],
      ["DELETE", "/v2/", 405],
      ["GET", "/v2/open/a", 404],
      ["GET", "/v2/open/a/surprise/x", 404],
      ["GET", "/v2/Open/a/tags/list", 400],
    ] as const;
    for (const [method, path, status] of cases) {
      const told = await ask(method, path, "admin");
      assert.equal(told.status, status, `${method} ${path}`);
      assert.ok(told.code());
    }
  });
});
