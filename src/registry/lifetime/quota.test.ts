import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Failure } from "../../base/errors.ts";
import { listAuditEvents } from "../../store/event-records.ts";
import { digestText, manifestText, openTestRegistry, type TestRegistry, type Told } from "../test-registry.ts";
import { openQuotaKeeping, type QuotaKeeping } from "./quota-keeping.ts";

describe("quotas", () => {
  let site: TestRegistry;
  let quotas: QuotaKeeping;
  before(async () => {
    site = await openTestRegistry();
    quotas = openQuotaKeeping(site.store);
  });
  after(async () => await site.close());

  const used = async (project: string): Promise<number> => (await quotas.find(project)).usedBytes;
  const push = async (repository: string, bytes: string): Promise<Told> =>
    await site.ask({
      method: "POST",
      path: `/v2/${repository}/blobs/uploads/?digest=${digestText(bytes)}`,
      body: bytes,
    });
  const events = async (action: string): Promise<readonly Record<string, unknown>[]> =>
    (await listAuditEvents(site.store.db, { limit: 1000 }))
      .filter((event) => event.action === action)
      .map(({ subject, details }) => ({ subject, ...details }));

  test("count distinct blobs and manifests of a project once, however many repositories have them", async () => {
    const first = await site.image("counted/a", { tag: "v1", layer: "x".repeat(1000) });
    assert.equal(await used("counted"), 1000 + 2 + first.size);
    await site.image("counted/b/c", { tag: "v1", layer: "x".repeat(1000) });
    await site.image("counted", { tag: "v1", layer: "x".repeat(1000) });
    await site.image("counted-not/a", { tag: "v1", layer: "x".repeat(1000) });
    assert.equal(await used("counted"), 1000 + 2 + first.size);
    assert.equal((await quotas.list({ after: "counte", limit: 2 })).quotas.length, 2);
  });

  test("refuse a blob by POST, by PUT and by mount, and a manifest, with the sizes in the message", async () => {
    await push("small/app", "a".repeat(600));
    await push("large/app", "b".repeat(500));
    await quotas.set("small", 1000, "admin");
    const told = await push("small/app", "c".repeat(401));
    assert.equal(told.status, 403);
    assert.equal(told.code(), "DENIED");
    assert.match(
      told.bytes.toString(),
      /Cannot store 401 more bytes in the project \\"small\\": it uses 600 of its quota of 1000 bytes/,
    );
    const begun = await site.ask({ method: "POST", path: "/v2/small/app/blobs/uploads/" });
    const place = begun.headers["location"] ?? "";
    assert.equal((await site.ask({ method: "PATCH", path: place, body: "d".repeat(500) })).status, 202);
    const closing = `${place}?digest=${digestText("d".repeat(500))}`;
    assert.equal((await site.ask({ method: "PUT", path: closing })).status, 403);
    assert.equal((await site.ask({ method: "GET", path: place })).status, 404);
    const mount = `/v2/small/app/blobs/uploads/?mount=${digestText("b".repeat(500))}&from=large/app`;
    assert.equal((await site.ask({ method: "POST", path: mount })).status, 403);
    assert.equal((await push("small/app", "{}")).status, 201);
    const manifest = manifestText({ annotations: { long: "e".repeat(600) } });
    const path = "/v2/small/app/manifests/v1";
    assert.equal((await site.ask({ method: "PUT", path, body: manifest })).status, 403);
    assert.equal((await site.ask({ method: "GET", path })).status, 404);
    await assert.rejects(
      site.registry.linkBlob("small/other", digestText("b".repeat(500))),
      (error) => error instanceof Failure && error.code === "forbidden",
    );
    assert.equal(await used("small"), 602);
    assert.equal((await push("small/other", "a".repeat(600))).status, 201, "what the project has costs nothing");
    const refused = await events("quota.exceeded");
    assert.equal(refused.length, 1, "clients try again and again");
    assert.equal(refused[0]?.["subject"], "small");
    assert.equal(refused[0]?.["quotaBytes"], 1000);
  });

  test("warn once when nearly used up, and again after there was room", async () => {
    await push("warned/app", "a".repeat(100));
    await quotas.set("warned", 1000, "admin");
    await push("warned/app", "b".repeat(749));
    assert.deepEqual(await events("quota.warned"), []);
    await push("warned/app", "c".repeat(10));
    await push("warned/app", "d".repeat(10));
    assert.equal((await events("quota.warned")).length, 1);
    await quotas.set("warned", undefined, "admin");
    await push("warned/app", "e".repeat(5000));
    assert.equal((await quotas.find("warned")).quotaBytes, undefined);
    await quotas.set("warned", 6000, "admin");
    await push("warned/app", "f".repeat(10));
    const warned = await events("quota.warned");
    assert.equal(warned.length, 2);
    assert.equal(warned[1]?.["usedBytes"], 5869);
  });

  test("let parallel pushes in only as far as there is room", async () => {
    await push("parallel/app", "{}");
    await quotas.set("parallel", 1002, "admin");
    const told = await Promise.all(
      Array.from({ length: 8 }, (_, index) => push(`parallel/app${index % 3}`, String(index).repeat(300))),
    );
    assert.equal(told.filter(({ status }) => status === 201).length, 3);
    assert.equal(await used("parallel"), 902);
  });
});
